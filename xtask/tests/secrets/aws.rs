//! AWS, served by moto_server: keys at KMS, and a role for the repository.

use std::fs;

use crate::{scratch::Scratch, servers};

/// The URL is CodeCommit's; a proxy on loopback answers for it. The real `aws` command line makes
/// the credentials that arrive there, of the role and not of the person. Nothing else is changed.
#[test]
fn a_role_reaches_the_repository() {
    let mut scratch = Scratch::new();
    servers::aws(&mut scratch);
    let log = scratch.path("record/users");
    let server = servers::http(&scratch, &["--log", log.to_str().unwrap()]);
    scratch.bash(
        "mkdir -p ../v1/repos; ln -s ../../remote.git ../v1/repos/hello; rm -rf secrets/hello",
    );
    scratch.bash("git -C ../remote.git config http.receivepack true");
    scratch.set("http_proxy", &format!("http://127.0.0.1:{}", server.port));
    scratch.set("SECRETS_REPO", "http://git-codecommit.us-east-1.amazonaws.com/v1/repos/hello");
    scratch.run(&["secrets-clone"]).status(1).says("fix: log in");
    assert!(!log.exists());

    scratch.set("SECRETS_ROLE_ARN", "arn:aws:iam::123456789012:role/secrets");
    let config = scratch.bash("cat ~/.gitconfig");
    scratch.run(&["secrets-clone"]).status(0);
    scratch.run_with(&["secrets-set", "hub.more"], "x").status(0);
    scratch.run(&["secrets-push"]).status(0);
    let [ours, remote] = scratch.commits();
    assert_eq!(ours, remote);

    let users = fs::read_to_string(&log).unwrap();
    // CodeCommit's user names: <access key id>%<session token>; those of a role begin with ASIA.
    assert!(users.lines().count() >= 4, "{users}");
    assert!(users.lines().all(|it| it.starts_with("ASIA") && it.contains('%')), "{users}");
    assert_eq!(scratch.bash("cat ~/.gitconfig"), config, "LESSONS global-config-changed");
    let own = scratch.bash("cat secrets/hello/.git/config");
    assert!(!own.contains("credential") && !own.contains("ASIA"), "{own}");
}

#[test]
fn a_role_that_aws_does_not_give() {
    let mut scratch = Scratch::new();
    scratch.set("SECRETS_ROLE_ARN", "arn:aws:iam::123456789012:role/secrets");
    scratch.set("AWS_DEFAULT_REGION", "us-east-1");
    scratch
        .run(&["secrets-push"])
        .status(1)
        .says("cannot assume the role")
        .says("fix: log in to AWS");
    scratch.set("SECRETS_ROLE_ARN", "secrets");
    scratch.run(&["secrets-push"]).status(2).says("expected an AWS role");
}

/// Several recipients of both kinds; each of them alone opens the file.
#[test]
fn kms_and_age() {
    let mut scratch = Scratch::empty();
    servers::aws(&mut scratch);
    let script = "git init --quiet --bare ~/s.git; age-keygen -o ~/a 2>/dev/null; age-keygen -o ~/b 2>/dev/null
        KMS=$(aws kms create-key --query KeyMetadata.Arn --output text)
        cargo xtask secrets-clone --set SECRETS_REPO=$HOME/s.git
        cargo xtask secrets-init --kms $KMS --age $(age-keygen -y ~/a) --age $(age-keygen -y ~/b)
        echo x | cargo xtask secrets-set y
        cat .sops.yaml secrets/hello/.sops.yaml 2>/dev/null || true";
    scratch.bash(script);
    assert_eq!(scratch.run(&["secrets-cat", "y"]).status(0).stdout, "x");
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        scratch.unset(name);
    }
    scratch
        .run(&["secrets-cat"])
        .status(1)
        .says("AWS says: failed to decrypt sops data key with AWS KMS")
        .says("log in to AWS");
    scratch.set("SOPS_AGE_KEY_FILE", scratch.path("home/b").to_str().unwrap().to_owned().as_str());
    assert_eq!(scratch.run(&["secrets-cat", "y"]).status(0).stdout, "x");
    let status = scratch.run(&["secrets-status", "--json"]).status(0).stdout;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let recipients = &status["files"][0]["recipients"];
    assert_eq!(recipients["age"].as_array().unwrap().len(), 2);
    assert_eq!(recipients["kms"].as_array().unwrap().len(), 1);
    assert_eq!(status["files"][0]["as_in_rules"], true);
}
