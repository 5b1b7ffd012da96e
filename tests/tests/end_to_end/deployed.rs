//! `infra/sam`, as a user deploys it: the template is clean, roles may do what rules declare and no more, and `sam build` and `sam
//! deploy` make a pool whose triggers run the binaries. What drives `sam` and AWS is Python, because their clients are: see
//! `infra/sam/tests`.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Where `make tools` puts `sam`.
#[expect(clippy::disallowed_methods, reason = "a test is told by its environment where the tools are")]
fn programs() -> PathBuf {
    let tools = std::env::var_os("TRIGGERS_TOOLS").filter(|tools| !tools.is_empty()).map_or_else(
        || Path::new(&std::env::var_os("HOME").expect("HOME is not set")).join(".cache/cognito-triggers/tools"),
        PathBuf::from,
    );
    let programs = tools.join("aws-sam-cli-1.170.0/bin");
    assert!(programs.is_dir(), "{} is missing: run `make tools`", programs.display());
    programs
}

/// Where the programs lie that were built for tests.
fn artefacts() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap()
}

#[expect(clippy::print_stdout, reason = "how long it took is worth reading when a test is run with --nocapture")]
fn succeeds(program: &str, arguments: &[&str]) {
    let mut command = Command::new(programs().join(program));
    command.args(arguments).current_dir(root().join("infra/sam"));
    command.env("CARGO_TARGET_DIR", artefacts()).env("TRIGGERS_TOOLS", programs().ancestors().nth(2).unwrap());
    command.env("AWS_DEFAULT_REGION", "eu-central-1").env("SAM_CLI_TELEMETRY", "0").env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    let output = command.output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {}\n{said}\n{complained}", arguments.join(" "));
    println!("{said}");
}

#[test]
fn the_template_is_clean() {
    succeeds("cfn-lint", &["--template", "template.yaml"]);
    for stage in ["default", "prod"] {
        succeeds("sam", &["validate", "--lint", "--config-env", stage]);
    }
}

#[test]
fn every_role_may_do_what_its_rules_declare_and_nothing_else() {
    succeeds("python", &["tests/policies.py"]);
}

#[test]
fn what_sam_deploys_into_ministack_works() {
    succeeds("python", &["tests/deployed.py"]);
}
