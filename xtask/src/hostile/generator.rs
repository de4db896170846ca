//! Lists and frozen specs like those that people write, and defective ones.

use super::differential::Case;
use crate::specs::frozen::tests::property::Random;

const NAMES: &[&str] =
    &["a", "numpy", "Zope.Interface", "a__b", "x-1", "0", "python-dateutil", "a_", "_a", "nümpy"];
const EXTRAS: &[&str] = &["b", "B_c", "d.e", "x1", " s ", "", "_c", "c-", "a b"];
const OPERATORS: &[&str] = &[">=", "==", "<", "~=", "!=", ">", "<=", "===", "=", ">>"];
const VERSIONS: &[&str] = &[
    "1",
    "1.2",
    "2.0.0",
    "1.2.*",
    "1!2.0",
    "1.0rc1",
    "1.0.RC1",
    "v1.2",
    "1.0.post1",
    "1.0-1",
    "2026.6",
    "1.0.dev0",
    "1.0+cu121",
    "1.0+Ab.01",
    "0.0",
    "1.2.post",
    "1.0a",
    "18446744073709551614",
    "18446744073709551615",
    "99999999999999999999.1",
    "x",
    "1..2",
    ".1",
    "2.*.1",
    "1.0rc1.*",
    "*",
];
const URLS: &[&str] = &[
    "git+https://example.org/a",
    "git+https://example.org:8443/a.git@v1",
    "git+ssh://git@example.org/a",
    "git+file:///srv/a@0123456789abcdef0123456789abcdef01234567#subdirectory=b",
    "git+http://h/a;b",
    "git+https://me:pw@example.org/a",
    "git+ssh://me@h/a",
    "https://example.org/a.whl",
    "git+https://me:a/b@h/c",
    "git+https://@h/a",
    "git+https://[::1]/a",
];
const VARIABLES: &[&str] = &[
    "python_version",
    "python_full_version",
    "os_name",
    "sys_platform",
    "platform_system",
    "platform_machine",
    "implementation_version",
    "extra",
    "os.name",
    "python_implementation",
    "platform_release",
    "platform_version",
    "platform_python_implementation",
    "implementation_name",
    "extras",
    "python",
];
const TEXTS: &[&str] = &[
    "3.12",
    "3.13.5",
    "3.13.*",
    "linux",
    "posix",
    "x86_64",
    "aarch64",
    "3",
    "3.12 3.13",
    "",
    "CPython",
    "Foo_Bar",
    "Linux",
    "cpython",
    "3.14rc1",
];
const COMPARISONS: &[&str] =
    &["==", ">=", "<", "!=", ">", "<=", "in", "not in", "~=", "===", "not  in", "is"];
const CONDA: &[&str] = &[
    "numpy",
    "numpy=2",
    "numpy >=1.2,<2",
    "conda-forge::numpy=2",
    "blas=*=openblas",
    "numpy 1.2 py313_0",
    "numpy[version='>=2',build=h*]",
    "*[name=numpy]",
    "*[name='NumPy', version=2]",
    "python_abi 3.13.* *_cp313",
    "https://example.org/c/linux-64::numpy 2.*",
    "numpy if python>=3",
    "numpy; if python>=3",
    "__glibc>=2.17",
    "numpy ==",
    "numpy,scipy",
    "numpy @ git+https://h/a",
    "numpy; python_version>'3'",
    "numpy[build=x",
    "https://me:pw@h/c::numpy",
    "t/token/c::numpy",
    "[name=numpy]",
    "::",
    ">=2",
    "numpy --hash=sha256:0",
    "numpy (>=1|<0.5),!=1.3",
    "numpy=",
    "numpy\t>=2",
    "*[build='a,name=b',name=c]",
    "*[name=a b]",
];
const OPTIONS: &[&str] = &[
    "-r c.txt",
    "-c c.txt",
    "--requirement=c.txt",
    "--constraint c.txt",
    "-c ./c.txt",
    "-r  c.txt",
    "-r=c.txt",
    "-r absent.txt",
    "-r bad.txt",
    "-c loop.txt",
    "-rc.txt",
    "-e .",
    "--pre",
    "-i https://h",
    "-r\tc.txt",
    "--no-binary numpy",
    "--no-binary=a_b,c",
    "-",
];
/// Pieces that mutations insert into a text.
const PIECES: &[&str] = &[
    " ",
    ",",
    ";",
    "=",
    "==",
    "[",
    "]",
    "(",
    ")",
    "'",
    "\"",
    "#",
    " #",
    "\\",
    "\u{a0}",
    "\t",
    "@",
    " @ ",
    "-",
    "--",
    "_",
    ".",
    "*",
    "\r",
    "\u{2028}",
    "\u{7}",
    "é",
    " --hash=sha256:0",
    "::",
    ":",
    "~",
    "!",
    "<",
    "0",
    "x",
    "\u{feff}",
    "\\\n",
    "\n",
    "  ",
    "/",
    "+",
    "v",
    "|",
    "%",
    "ghp_0123456789abcdef",
    "/t/x",
    "\u{fffd}",
    "\u{660}",
    "ſ",
];
/// Texts that mutations of a frozen spec replace, and their replacements.
const SWAPS: &[(&str, &str)] = &[
    ("==", "==="),
    ("==", ">="),
    ("linux/amd64", "linux/arm64"),
    ("linux/amd64", "windows/amd64"),
    ("linux/arm64", "linux"),
    ("# frozen: 1", "# frozen: 2"),
    ("# frozen: 1", "# frozen: 1\n# frozen: 1"),
    ("# platform", "# platform: linux/amd64\n# platform"),
    ("# base", "# base: x\n# base"),
    ("# missing: ", "# missing: é"),
    ("name: ", "# build-for: B_c: a\n# build-for: a: b\nname: "),
    ("name: ", "# build-for: a\nname: "),
    ("name: ", "# build-for: a: é\nname: "),
    (
        "# build: ",
        "# build: a @ git+https://h/a@0123456789abcdef0123456789abcdef01234567\n# build: ",
    ),
    (" --hash=", "  --hash="),
    (" --hash=sha256:", " --hash=sha256:A"),
    ("sha256:", "md5:"),
    ("subdir=", "subdir=."),
    (",fn=", ",fn=a=b"),
    (",fn=", ",fn=a::b"),
    (",fn=", ",fn=\u{fc}"),
    ("::", ":::"),
    ("  # via ", "  # provides a==1; via "),
    ("  # via ", " # via "),
    ("  # via ", "  #via "),
    ("git+https://", "git+https://me:pw@"),
    ("git+ssh://git@", "git+ssh://me@"),
    ("git+http://", "http://"),
    ("#subdirectory=", "#egg=x&subdirectory="),
    ("#subdirectory=", "#subdirectory=#"),
    ("  - python=", "  - python=3.13.5\n  - python="),
    ("python=3.13.5", "python=3.13.5rc1"),
    ("python=3.13.5", "python=3.13.5_1"),
    ("python=3.13.5", "python=3.\u{661}3.5"),
    ("1.0+cu121", "1.0+CU_121"),
    ("2.5.5", ".1"),
    ("2.5.5", "2.*"),
    ("2.5.5", "99999999999999999999"),
    ("numpy", "numpy_"),
    ("numpy", "_numpy"),
    ("numpy", "Num_Py"),
    ("numpy", "nümpy"),
    ("channels:\n  - ", "channels: ["),
    ("name: ", "name:  "),
    ("name: ", "name: '"),
    ("conda-forge", "https://me:pw@h/c"),
    ("conda-forge", "t/token/c"),
    ("conda-forge", "ghp_0123456789abcdef"),
    ("dependencies:", "dependencies:\nprefix: x"),
    ("    - ", "   - "),
    ("\n", "\r\n"),
    ("  - pip:", "  - pip:\n  - pip:"),
    ("--no-require-hashes", "--pre"),
];

pub(super) fn list(random: &mut Random) -> Case {
    let (name, mut text) = match random.below(20) {
        0..11 => ("a.pip", requirement(random)),
        11 => ("a.build", need(random)),
        12..14 => ("a.pip", random.pick(OPTIONS).to_owned()),
        14..18 => ("a.conda", random.pick(CONDA).to_owned()),
        _ => ("a.yml", yml(random)),
    };
    if random.one_in(6) {
        text += random.pick(&["  # why", "\t# why", " #", "#why", " # a\u{a0}b", " # é"]);
    }
    if random.one_in(6) {
        mutate(random, &mut text);
    }
    text += random.pick(&["\n", "", "\r\n", "\n\n", "\r", " \n"]);
    Case { kind: "list", name: name.to_owned(), text }
}

fn need(random: &mut Random) -> String {
    let (name, colon) =
        (rarely(random, NAMES, 8), random.pick(&[":", ": ", " : ", ":\t", ": ", ""]));
    let versions = if random.one_in(2) { versions(random) } else { String::new() };
    match random.one_in(8) {
        true => format!("{name}{colon}{}", requirement(random)),
        false => format!("{name}{colon}{}{versions}", rarely(random, NAMES, 8)),
    }
}

fn requirement(random: &mut Random) -> String {
    let mut res = rarely(random, NAMES, 8);
    if random.one_in(4) {
        let extras: Vec<String> = (0..random.below(3)).map(|_| rarely(random, EXTRAS, 6)).collect();
        res += &format!("{}[{}]", blank(random), extras.join(","));
    }
    res += blank(random);
    match random.below(8) {
        0 => (),
        1 => res += &format!("@{}{} ", blank(random), rarely(random, URLS, 5)),
        2 => res += &format!("({})", versions(random)),
        _ => res += &versions(random),
    }
    if random.one_in(2) {
        res += &format!("{};{}{}", blank(random), blank(random), marker(random, 2));
    }
    for _ in 0..random.below(8).saturating_sub(5) {
        let separator = random.pick(&["=sha256:", " sha256:", "=", "=md5:"]);
        res += &format!(" --hash{separator}{}", random.hex(64));
    }
    res
}

fn versions(random: &mut Random) -> String {
    let separator = random.pick(&[",", ", ", " , "]);
    let one = |random: &mut Random| {
        let version = rarely(random, VERSIONS, 17);
        let operator = match version.contains(['*', '+']) && !random.one_in(8) {
            true => random.pick(&["==", "!="]).to_owned(),
            false => rarely(random, OPERATORS, 7),
        };
        format!("{operator}{}{version}", blank(random))
    };
    let all: Vec<String> = (0..=random.below(3)).map(|_| one(random)).collect();
    all.join(separator) + if random.one_in(20) { "," } else { "" }
}

fn marker(random: &mut Random, depth: usize) -> String {
    match random.below(6) {
        0 if depth > 0 => format!("({})", marker(random, depth - 1)),
        1 | 2 if depth > 0 => {
            let operator = random.pick(&[" and ", " or "]);
            format!("{}{operator}{}", marker(random, depth - 1), marker(random, depth - 1))
        }
        _ => comparison(random),
    }
}

fn comparison(random: &mut Random) -> String {
    let variable = rarely(random, VARIABLES, 14);
    let is_version = variable.contains("version") && !random.one_in(6);
    let quote = random.pick(&["'", "\""]);
    let text = random.pick(if is_version { &TEXTS[..2] } else { TEXTS });
    let text = format!("{quote}{text}{quote}");
    let operator = match is_version {
        true => rarely(random, COMPARISONS, 8),
        false => {
            random.pick(&["==", "!=", "in", "not in", "==", "!=", "==", "!=", ">="]).to_owned()
        }
    };
    let blank = if operator.contains('i') { " " } else { blank(random) };
    match random.one_in(5) {
        true => format!("{text}{blank}{operator}{blank}{variable}"),
        false => format!("{variable}{blank}{operator}{blank}{text}"),
    }
}

fn yml(random: &mut Random) -> String {
    let mut res = String::new();
    if random.one_in(2) {
        res +=
            random.pick(&["name: x\n", "name: 'x y'  # c\n", "# c\nname: x\n", "---\nname: x\n"]);
    }
    if random.one_in(2) {
        res += random.pick(&[
            "channels:\n  - conda-forge\n",
            "channels: [a, 'b']\n",
            "channels:\n- nodefaults\n",
        ]);
    }
    res += "dependencies:\n";
    for _ in 0..=random.below(2) {
        let line = random.pick(&CONDA[..14]).to_owned();
        res += &format!("  - {}\n", quoted(random, &line));
    }
    if random.one_in(2) {
        let line =
            if random.one_in(4) { random.pick(OPTIONS).to_owned() } else { requirement(random) };
        res += &format!("  - pip:\n    - {}\n", quoted(random, &line));
    }
    res
}

fn quoted(random: &mut Random, text: &str) -> String {
    match random.below(3) {
        0 => format!("'{text}'"),
        1 => format!("\"{text}\""),
        _ => text.to_owned(),
    }
}

/// Returns any of `from`, but mostly one of the first `usual`.
fn rarely(random: &mut Random, from: &[&str], usual: usize) -> String {
    let among = if random.one_in(20) { from } else { &from[..usual.min(from.len())] };
    random.pick(among).to_owned()
}

fn blank(random: &mut Random) -> &'static str {
    ["", "", "", " ", "  ", "\t"][random.below(6)]
}

pub(super) fn frozen(random: &mut Random) -> Case {
    let mut text = random.frozen().to_string();
    for _ in 0..random.below(3) {
        match random.below(4) {
            0 => mutate(random, &mut text),
            1 => move_line(random, &mut text),
            _ => swap(random, &mut text),
        }
    }
    Case { kind: "frozen", name: "f.yml".to_owned(), text }
}

/// Replaces one occurrence of a swap's text.
fn swap(random: &mut Random, text: &mut String) {
    let found = |it: &&(&str, &str)| text.contains(it.0);
    let swaps: Vec<_> = SWAPS.iter().filter(found).collect();
    let (old, new) = swaps[random.below(swaps.len())];
    let places: Vec<usize> = text.match_indices(old).map(|it| it.0).collect();
    let at = places[random.below(places.len())];
    text.replace_range(at..at + old.len(), new);
}

/// Removes, repeats or moves a line.
fn move_line(random: &mut Random, text: &mut String) {
    let mut lines: Vec<&str> = text.lines().collect();
    let line = lines[random.below(lines.len())];
    let at = random.below(lines.len());
    match random.below(3) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, line),
        _ => lines.swap(at, 0),
    }
    *text = lines.join("\n") + "\n";
}

/// Inserts a piece into a text, removes a character, or replaces one.
fn mutate(random: &mut Random, text: &mut String) {
    let ends: Vec<usize> = text.char_indices().map(|it| it.0).chain([text.len()]).collect();
    let at = random.below(ends.len());
    let piece = random.pick(PIECES);
    let next = ends.get(at + 1).copied().unwrap_or(text.len());
    match random.below(3) {
        0 => text.insert_str(ends[at], piece),
        1 => text.replace_range(ends[at]..next, ""),
        _ => text.replace_range(ends[at]..next, piece),
    }
}
