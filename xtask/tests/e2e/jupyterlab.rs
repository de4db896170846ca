//! What a mission adds to JupyterLab itself: lists of environment `base`, and the default kernel.

use serde_json::Value;

use crate::{
    checkout::{Checkout, run, text},
    containers::docker,
};

const BASE: &str = "missions/labs/environments/base";

/// Prints the default kernel of a server with the image's settings.
const DEFAULT_KERNEL: &str = "
from jupyter_server.serverapp import ServerApp
app = ServerApp()
app.initialize([], new_httpserver=False)
print(app.kernel_manager.default_kernel_name)
";

#[test]
fn an_extension_is_added_to_base_and_frozen() {
    let checkout = Checkout::of_copy("labs");
    let custom = "missions/labs/Dockerfile.custom";
    let step = "RUN /opt/common-scripts/env-update base base.pip\n";
    checkout.write(custom, &format!("{}{step}", checkout.read(custom)));
    checkout.write(&format!("{BASE}/base.pip"), "jupyter-resource-usage\njupyterlab>=4\n");
    checkout.write(&format!("{BASE}/tests/imports"), "jupyter_resource_usage\n");
    let floating = checkout.rows(&["image-build", "labs", "--floating"]).text("labs", "tag");
    let spec = checkout.read(&format!("{BASE}/base-frozen.yml"));
    assert!(spec.contains("\n# in-base: jupyterlab\nname: base\n"), "{spec}");
    let pins: Vec<&str> = spec.lines().filter(|it| it.contains("==")).collect();
    assert!(matches!(pins[..], [one] if one.contains("jupyter-resource-usage==")), "{spec}");
    assert_eq!(checkout.run(&["freeze", "--check", "hello"]).status, Some(0));
    checkout.commit();

    let frozen = checkout.rows(&["image-build", "labs", "--frozen"]).text("labs", "tag");
    for image in [&floating, &frozen] {
        let server = output(image, &["jupyter", "server", "extension", "list"]);
        assert!(server.contains("jupyter_resource_usage enabled"), "{server}");
        let lab = output(image, &["jupyter", "labextension", "list"]);
        let line = lab.lines().find(|it| it.contains("@jupyter-server/resource-usage"));
        assert!(line.is_some_and(|it| it.contains("enabled") && it.contains("OK")), "{lab}");
        let default = output(image, &["/opt/conda/bin/python", "-c", DEFAULT_KERNEL]);
        assert_eq!(default.lines().last(), Some("hello"), "{default}");
    }
    let rows = checkout.rows(&["image-test", "labs", "--frozen"]);
    assert!(rows.number("labs", "failed") == 0);
    let verified = checkout.run(&["freeze", "--verify", "--mission", "labs", "--json"]);
    let verified: Vec<Value> = serde_json::from_str(&verified.stdout).unwrap();
    let told = |it: &Value| format!("{} {}", it["environment"], it["verdict"]);
    let told: Vec<String> = verified.iter().map(told).collect();
    assert_eq!(told, [r#""base" "identical""#, r#""hello" "identical""#]);

    // What the base image has is a constraint.
    checkout.write(&format!("{BASE}/base.pip"), "jupyter-resource-usage\njupyterlab<4\n");
    let failed = checkout.run(&["image-build", "labs", "--floating"]);
    assert_eq!(failed.status, Some(1));
    assert!(failed.stderr.contains("the base image: jupyterlab=="), "{}", failed.stderr);
}

/// Returns all that a command prints in a new container of `image`, colours left out.
fn output(image: &str, command: &[&str]) -> String {
    let all = r#"exec "$@" 2>&1"#;
    let output = run(docker(&["run", "--rm", image, "bash", "-c", all, "bash"]).args(command));
    ["\u{1b}[32m", "\u{1b}[0m"].iter().fold(text(&output), |text, it| text.replace(it, ""))
}
