//! Round trips: a written frozen spec is read as the same.

use std::path::Path;

use crate::{
    specs::frozen::{CondaPin, FrozenSpec, Pin, Source, canonical, parse},
    tools::platform::Platform,
};

/// Numbers that look random and are the same in every run: xorshift64*,
/// <https://doi.org/10.1145/2845077>.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).unwrap() % n
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    pub(crate) fn hex(&mut self, len: usize) -> String {
        (0..len).map(|_| char::from(b"0123456789abcdef"[self.below(16)])).collect()
    }

    /// Returns words joined by `separator`.
    pub(crate) fn words(&mut self, separator: &str) -> String {
        let words = ["py", "a", "x11", "numpy", "roman", "0", "zlib-ng", "http2"];
        let n = 1 + self.below(3);
        (0..n).map(|_| self.pick(&words)).collect::<Vec<_>>().join(separator)
    }

    pub(crate) fn version(&mut self) -> String {
        let versions =
            ["1", "2.5.5", "0.0.1rc2", "1!2.0", "3.1.post4", "26.3.dev0", "1.0+cu121", "2026.6"];
        self.pick(&versions).to_owned()
    }

    fn list<T>(&mut self, most: usize, one: impl Fn(&mut Random) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| one(self)).collect()
    }

    fn index(&mut self) -> Source {
        Source::Index { version: self.version(), sha256: self.hex(64) }
    }

    fn git(&mut self) -> Source {
        let scheme = ["git+https://", "git+http://", "git+ssh://git@", "git+file:///"];
        let url = format!("{}example.org/{}.git", self.pick(&scheme), self.words("/"));
        let subdirectory = self.one_in(3).then(|| self.words("/"));
        Source::Git { url, commit: self.hex(40), subdirectory }
    }

    fn pin(&mut self) -> Pin {
        let source = if self.one_in(4) { self.git() } else { self.index() };
        let via =
            self.list(3, |it| if it.one_in(2) { it.words("-") } else { it.words("_") + ".v2.pip" });
        Pin { name: self.words("-"), source, via, line: 0 }
    }

    fn conda(&mut self) -> CondaPin {
        let channel = ["bioconda", "https://example.org:8443/a/b", "conda-forge/label/dev"];
        let (name, version) = (self.words("_"), self.version());
        let build = format!("h{}_0", self.hex(7));
        CondaPin {
            channel: self.one_in(4).then(|| self.pick(&channel).to_owned()),
            file: format!("{name}-{version}-{build}.{}", self.pick(&["conda", "tar.bz2"])),
            subdir: self.pick(&["linux-64", "noarch", "linux-aarch64"]).to_owned(),
            sha256: self.hex(64),
            via: self.list(3, |it| it.words("_")),
            provides: self.list(3, |it| format!("{}=={}", it.words("-"), it.version())),
            line: 0,
            name,
            version,
            build,
        }
    }

    pub(crate) fn frozen(&mut self) -> FrozenSpec {
        let platform = if self.one_in(2) { Platform::Amd64 } else { Platform::Arm64 };
        let mut build = self.list(3, Random::pin);
        build.iter_mut().for_each(|it| (it.source, it.via) = (self.index(), Vec::new()));
        let mut res = FrozenSpec {
            platform,
            base: format!("sha256:{}", self.hex(64)),
            name: self.pick(&["roman-cal", "py3.8-x", "database-tools", "base2"]).to_owned(),
            channels: vec![self.pick(&["conda-forge", "https://example.org/c"]).to_owned()],
            python: Some("3.13.5".to_owned()),
            conda: Vec::new(),
            pip: self.list(20, Random::pin),
            build,
            needs: self.list(3, |it| (it.words("-"), it.words("-"))),
            missing: self.list(3, |it| it.words("_")),
            in_base: self.list(3, |it| it.words("-")),
        };
        if self.one_in(2) {
            res.python = None;
            res.conda = self.list(20, Random::conda);
            let python = CondaPin { name: "python".to_owned(), ..self.conda() };
            res.conda.push(python);
        }
        without_twins(&mut res.pip, |it| it.name.clone());
        without_twins(&mut res.build, |it| it.name.clone());
        without_twins(&mut res.conda, |it| it.name.clone());
        res
    }
}

/// Removes duplicates; also sorts.
fn without_twins<T>(items: &mut Vec<T>, name: fn(&T) -> String) {
    items.sort_by_key(name);
    items.dedup_by_key(|it| name(it));
}

/// Returns `frozen` as a reader returns it: in the file's order, with lines.
fn normal(frozen: &FrozenSpec) -> FrozenSpec {
    let mut res = frozen.clone();
    res.pip.sort_by_key(|it| (matches!(it.source, Source::Git { .. }), it.name.clone()));
    for pin in res.pip.iter_mut().chain(&mut res.build) {
        pin.via.sort();
        pin.line = 0;
    }
    for pin in &mut res.conda {
        pin.via.sort();
        pin.provides.sort();
        pin.line = 0;
    }
    res.needs.sort();
    res.missing.sort();
    res.in_base.sort();
    res
}

#[test]
fn what_is_written_is_read_as_the_same() {
    let mut random = Random(0x5EED);
    for _ in 0..150 {
        let frozen = random.frozen();
        let text = frozen.to_string();
        let again = canonical(Path::new("a.yml"), &text, &frozen.name)
            .unwrap_or_else(|err| panic!("{err}\n{text}"));
        assert_eq!(normal(&again), normal(&frozen), "{text}");
        assert_eq!(again.to_string(), text);
        // The text is also YAML, with the same meaning for conda.
        let yaml: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(yaml["name"].as_str(), Some(frozen.name.as_str()));
        let rest = usize::from(frozen.python.is_some()) + usize::from(!frozen.pip.is_empty());
        assert_eq!(
            yaml["dependencies"].as_sequence().unwrap().len(),
            frozen.conda.len() + rest,
            "{text}"
        );
    }
}

/// Any byte of a file may be lost: the result is an error or another spec, never a panic.
#[test]
fn damage_is_no_panic() {
    let mut random = Random(0xBAD);
    for _ in 0..50 {
        let text = random.frozen().to_string();
        for _ in 0..20 {
            let mut bytes = text.clone().into_bytes();
            let at = random.below(bytes.len());
            match random.below(3) {
                0 => bytes.truncate(at),
                1 => drop(bytes.remove(at)),
                _ => bytes[at] = u8::try_from(random.below(256)).unwrap(),
            }
            let _ = parse(Path::new("a.yml"), &String::from_utf8_lossy(&bytes));
        }
    }
}
