//! Versions of Kubernetes and JupyterHub.

/// Returns the major version of `6.1.1`.
pub(crate) fn major(version: &str) -> Option<u32> {
    version.trim_start_matches('v').split('.').next()?.parse().ok()
}

/// Returns whether `version` is one of `constraint`, as `>=1.28.0-0` in a chart; `None` where this
/// tool does not know Helm's answer.
/// <https://helm.sh/docs/topics/charts/#the-kubeversion-field>
pub(crate) fn satisfies(version: &str, constraint: &str) -> Option<bool> {
    let any: Option<Vec<bool>> = constraint.split("||").map(|it| all(version, it)).collect();
    any.map(|it| it.contains(&true))
}

fn all(version: &str, constraint: &str) -> Option<bool> {
    // `>= 1.28` has a space; a list has commas or spaces.
    let mut text = constraint.replace(',', " ");
    for sign in [">=", "<=", ">", "<", "="] {
        text = text.replace(&format!("{sign} "), sign);
    }
    let each: Option<Vec<bool>> = text.split_whitespace().map(|it| one(version, it)).collect();
    each.filter(|it| !it.is_empty()).map(|it| !it.contains(&false))
}

fn one(version: &str, constraint: &str) -> Option<bool> {
    let signs = [">=", "<=", ">", "<", "="];
    let sign = signs.into_iter().find(|it| constraint.starts_with(it))?;
    let bound = &constraint[sign.len()..];
    // Helm refuses `1.28.3-gke.1` for a bound without a pre-release.
    if version.contains('-') && !bound.contains('-') {
        return None;
    }
    let (version, bound) = (numbers(version)?, numbers(bound)?);
    Some(match sign {
        ">=" => version >= bound,
        "<=" => version <= bound,
        ">" => version > bound,
        "<" => version < bound,
        _ => version == bound,
    })
}

fn numbers(text: &str) -> Option<[u32; 3]> {
    let core = text.trim_start_matches('v').split(['-', '+']).next()?;
    let mut res = [0; 3];
    let mut parts = core.split('.');
    for number in &mut res {
        let Some(part) = parts.next() else { break };
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(res)
}

#[test]
fn versions_that_a_chart_supports() {
    for (version, constraint, expected) in [
        ("v1.28.0", ">=1.28.0-0", Some(true)),
        ("v1.20.2", ">=1.28.0-0", Some(false)),
        ("v1.31.4-gke.1", ">=1.28.0-0", Some(true)),
        ("v1.31.4-gke.1", ">=1.28.0", None),
        ("v1.31.4", ">= 1.28, < 1.31", Some(false)),
        ("v1.31.4", "<1.20 || >=1.31", Some(true)),
        ("v1.31.4", "~1.31", None),
        ("v1.31.4", "", None),
        ("latest", ">=1.28", None),
    ] {
        assert_eq!(satisfies(version, constraint), expected, "{version} {constraint}");
    }
    assert_eq!(major("6.1.1"), Some(6));
    assert_eq!(major("v5"), Some(5));
    assert_eq!(major(""), None);
}
