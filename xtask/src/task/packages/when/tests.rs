use std::path::PathBuf;

use expect_test::expect;

use super::{File, parse_log, text};

/// Output of git: the newest commit first.
const LOG: &str = "\
commit\t333333333333333\t2026-03-03T10:00:00+00:00\tTake it out
diff --git a/missions/m/environments/e/e-frozen.yml b/missions/m/environments/e/e-frozen.yml
index 1..2 100644
--- a/missions/m/environments/e/e-frozen.yml
+++ b/missions/m/environments/e/e-frozen.yml
@@ -10 +9,0 @@
-    - numpy==2.5.5 --hash=sha256:H  # via b
commit\t222222222222222\t2026-02-02T10:00:00+00:00\tFreeze\tagain
diff --git a/missions/m/environments/e/e-frozen.yml b/missions/m/environments/e/e-frozen.yml
--- a/missions/m/environments/e/e-frozen.yml
+++ b/missions/m/environments/e/e-frozen.yml
@@ -10 +10 @@
-    - numpy==2.4.6 --hash=sha256:H
+    - numpy==2.5.5 --hash=sha256:H  # via b
-    - numpydoc==1 --hash=sha256:H
diff --git a/missions/m/environments/f/f-frozen.yml b/missions/m/environments/f/f-frozen.yml
new file mode 100644
--- /dev/null
+++ b/missions/m/environments/f/f-frozen.yml
@@ -0,0 +1,2 @@
+# frozen: 1
+  - numpy=2.3=py_0[subdir=linux-64,fn=numpy-2.3-py_0.conda,sha256=H]
diff --git a/other b/other
+    - numpy==9 --hash=sha256:H
commit\t111111111111111\t2026-01-01T10:00:00+00:00\tOnly a comment
diff --git a/missions/m/environments/e/e-frozen.yml b/missions/m/environments/e/e-frozen.yml
-    - numpy==2.4.6 --hash=sha256:H
+    - numpy==2.4.6 --hash=sha256:H  # via a
";

#[test]
fn what_commits_made_of_a_package() {
    let file = |environment: &str| File {
        mission: "m".to_owned(),
        environment: environment.to_owned(),
        file: PathBuf::from(format!(
            "missions/m/environments/{environment}/{environment}-frozen.yml"
        )),
    };
    let log = LOG.replace("sha256:H", &format!("sha256:{}", "0".repeat(64)));
    let log = log.replace("sha256=H", &format!("sha256={}", "0".repeat(64)));
    let events = parse_log(&log, &[file("e"), file("f")], "numpy");
    expect![[r#"
        DATE        VERSION  ENVIRONMENT  COMMIT        SUBJECT
        2026-03-03  removed  m/e          333333333333  Take it out
        2026-02-02  2.5.5    m/e          222222222222  Freeze	again
        2026-02-02  2.3      m/f          222222222222  Freeze	again
    "#]]
    .assert_eq(&text(&events));
}

/// Returns the number of events in the patches of `x.yml`.
pub(crate) fn events(patches: &str) -> usize {
    let names = || "m".to_owned();
    let file = File { mission: names(), environment: names(), file: "x.yml".into() };
    parse_log(patches, &[file], "numpy").len()
}
