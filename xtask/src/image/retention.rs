//! Which images stay when old ones are removed, and why. Pure.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

/// An image of an engine or a registry.
#[derive(Debug, Clone, Default)]
pub(crate) struct Candidate {
    /// Name `hello` or `common`: images of one name are counted together.
    pub(crate) name: String,
    /// Digests by which others refer to it.
    pub(crate) digests: Vec<String>,
    /// Time of its build, RFC 3339.
    pub(crate) created: String,
    /// Whether it is a mission's, so that a receipt can certify it.
    pub(crate) is_mission: bool,
    pub(crate) is_certified: bool,
    /// Whether it is in a registry only to be tested.
    pub(crate) is_candidate: bool,
    /// Reason why it stays in any case.
    pub(crate) needed: Option<String>,
    /// Digests of others that stay with it, and what they are to it.
    pub(crate) refers: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    /// Number of certified images of each mission that stay.
    pub(crate) keep: usize,
    /// Age up to which every image stays, but a registry's candidates.
    pub(crate) young: Duration,
    pub(crate) now: SystemTime,
}

/// Age up to which a candidate stays at the most: its tests are done by then.
const CANDIDATES: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Decision about an image, with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Stays(String),
    Goes(String),
}

/// Returns the verdict about each candidate, in their order.
pub(crate) fn verdicts(candidates: &[Candidate], policy: Policy) -> Vec<Verdict> {
    let ranks = ranks(candidates);
    let own = candidates.iter().zip(&ranks).map(|(it, &rank)| verdict(it, rank, policy));
    let mut res: Vec<Verdict> = own.collect();
    // Each round keeps what the images of the last one refer to.
    loop {
        let kept = candidates.iter().zip(&res).filter(|(_, it)| matches!(it, Verdict::Stays(_)));
        let refers: BTreeMap<&String, &String> =
            kept.flat_map(|(it, _)| it.refers.iter().map(|(digest, why)| (digest, why))).collect();
        let mut is_stable = true;
        for (it, verdict) in candidates.iter().zip(&mut res) {
            let why = it.digests.iter().find_map(|it| refers.get(it));
            if let (Verdict::Goes(_), Some(why)) = (&*verdict, why) {
                *verdict = Verdict::Stays((*why).clone());
                is_stable = false;
            }
        }
        if is_stable {
            return res;
        }
    }
}

/// Returns the number of newer certified images of the same name, for each candidate.
fn ranks(candidates: &[Candidate]) -> Vec<usize> {
    let newer = |it: &Candidate| {
        let others = candidates.iter().filter(|other| other.name == it.name && other.is_certified);
        others.filter(|other| other.created > it.created).count()
    };
    candidates.iter().map(newer).collect()
}

fn verdict(it: &Candidate, rank: usize, policy: Policy) -> Verdict {
    if let Some(why) = &it.needed {
        return Verdict::Stays(why.clone());
    }
    // A clock that is behind makes an image young.
    let age = humantime::parse_rfc3339_weak(&it.created)
        .map(|created| policy.now.duration_since(created).unwrap_or_default());
    let Ok(age) = age else { return Verdict::Stays("its age is unknown".to_owned()) };
    if it.is_certified && rank < policy.keep {
        return Verdict::Stays(format!("among the newest {} certified images", policy.keep));
    }
    let old = format!("{} d old", age.as_secs() / (24 * 60 * 60));
    let young = if it.is_candidate { policy.young.min(CANDIDATES) } else { policy.young };
    if age < young {
        return Verdict::Stays(old);
    }
    Verdict::Goes(match (it.is_mission, it.is_certified) {
        _ if it.is_candidate => format!("{old}, a candidate"),
        (true, true) => format!("{old}, newer certified images: {rank}"),
        (true, false) => format!("{old}, no passing receipt"),
        (false, _) => format!("{old}, no image that stays was built on it"),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use expect_test::{Expect, expect};

    use super::{Candidate, Policy, Verdict, verdicts};

    /// Returns an image like `hello 20 + common-b`: its name, its day in January, whether it is
    /// certified (`+`) or a candidate (`?`), and the image that it was built on.
    fn candidate(line: &str) -> Candidate {
        let mut words = line.split(' ');
        let (id, day) = (words.next().unwrap(), words.next().unwrap());
        let name = id.split('-').next().unwrap().to_owned();
        let state = words.next();
        let (certified, candidate) = (state == Some("+"), state == Some("?"));
        Candidate {
            is_candidate: candidate,
            is_mission: name != "common",
            digests: vec![id.to_owned()],
            created: format!("2026-01-{day}T00:00:00.5Z"),
            is_certified: certified,
            needed: None,
            refers: words.map(|it| (it.to_owned(), format!("below {id}"))).collect(),
            name,
        }
    }

    fn check(candidates: &[Candidate], keep: usize, days: u64, expect: Expect) {
        let young = Duration::from_secs(days * 24 * 60 * 60);
        let now = humantime::parse_rfc3339("2026-01-31T12:00:00Z").unwrap();
        let found = verdicts(candidates, Policy { keep, young, now });
        let line = |(it, verdict): (&Candidate, Verdict)| match verdict {
            Verdict::Stays(why) => format!("{} stays: {why}\n", it.digests[0]),
            Verdict::Goes(why) => format!("{} goes: {why}\n", it.digests[0]),
        };
        expect.assert_eq(&candidates.iter().zip(found).map(line).collect::<String>());
    }

    #[test]
    fn what_stays() {
        let lines = [
            "hello-5 30 - common-3",
            "hello-4 25 + common-2",
            "hello-3 20 - common-2",
            "hello-2 15 + common-1",
            "hello-1 10 + common-0",
            "common-3 29 - base",
            "common-2 12 -",
            "common-1 11 -",
            "common-0 09 -",
        ];
        let mut images: Vec<Candidate> = lines.iter().map(|it| candidate(it)).collect();
        check(
            &images,
            1,
            4,
            expect![[r#"
                hello-5 stays: 1 d old
                hello-4 stays: among the newest 1 certified images
                hello-3 goes: 11 d old, no passing receipt
                hello-2 goes: 16 d old, newer certified images: 1
                hello-1 goes: 21 d old, newer certified images: 2
                common-3 stays: 2 d old
                common-2 stays: below hello-4
                common-1 goes: 20 d old, no image that stays was built on it
                common-0 goes: 22 d old, no image that stays was built on it
            "#]],
        );
        // What a kept image's receipt refers to stays, and what that was built on.
        images[4].needed = Some("named by v1".to_owned());
        images[4].refers.push(("hello-2".to_owned(), "in the receipt of hello-1".to_owned()));
        images[0].created = "yesterday".to_owned();
        check(
            &images,
            0,
            0,
            expect![[r#"
                hello-5 stays: its age is unknown
                hello-4 goes: 6 d old, newer certified images: 0
                hello-3 goes: 11 d old, no passing receipt
                hello-2 stays: in the receipt of hello-1
                hello-1 stays: named by v1
                common-3 stays: below hello-5
                common-2 goes: 19 d old, no image that stays was built on it
                common-1 stays: below hello-2
                common-0 stays: below hello-1
            "#]],
        );
    }

    #[test]
    fn candidates_are_for_tests() {
        let lines = ["hello-3 26 ? common-2", "hello-2 20 ? common-1", "hello-1 20 -"];
        let below = ["common-2 19 ?", "common-1 19 ?", "common-0 28 ?"];
        let images: Vec<Candidate> = lines.iter().chain(&below).map(|it| candidate(it)).collect();
        check(
            &images,
            3,
            30,
            expect![[r#"
                hello-3 stays: 5 d old
                hello-2 goes: 11 d old, a candidate
                hello-1 stays: 11 d old
                common-2 stays: below hello-3
                common-1 goes: 12 d old, a candidate
                common-0 stays: 3 d old
            "#]],
        );
        check(&images[5..], 3, 1, expect![["common-0 goes: 3 d old, a candidate\n"]]);
    }

    #[test]
    fn a_clock_that_is_behind() {
        check(&[candidate("hello-1 32 -")], 0, 0, expect![["hello-1 stays: its age is unknown\n"]]);
        let mut future = candidate("hello-1 30 -");
        future.created = "2027-01-01T00:00:00Z".to_owned();
        check(&[future], 0, 1, expect![["hello-1 stays: 0 d old\n"]]);
    }
}
