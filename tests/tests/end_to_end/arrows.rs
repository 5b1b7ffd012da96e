//! Who may know whom. A framework stays one only as long as no rule knows another, no rule names an SDK, and nobody but one
//! crate meets each outside thing; the compiler does not mind, so this test does.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const FRAMEWORK: &str = "cognito-triggers";
const LAMBDA: &str = "cognito-triggers-lambda";
const AWS: &str = "cognito-triggers-aws";
const EMBEDDED: &str = "cognito-triggers-embedded";
const TEMPLATES: &str = "cognito-triggers-templates";
const INLINING: &str = "cognito-triggers-inlining";
const MOMENTS: &str = "cognito-triggers-moments";
// Only the client of S3 knows it.
const CHECKSUMS: &str = "crc-fast";
const LOCAL: &str = "cognito-triggers-local";
const TESTS: &str = "cognito-triggers-tests";
const BATTERED: &str = "cognito-triggers-battered";
const BENCH: &str = "cognito-triggers-bench";

/// One rule each. A new one is named here and nowhere else in this file.
const RULES: [&str; 14] = [
    "access-code",
    "admin-notice",
    "domain-allow-list",
    "maintenance",
    "password-age",
    "s3-provisioning",
    "session-limit",
    "sign-in-alert",
    "sign-in-count",
    "templated-message",
    "unique-nickname",
    "user-events",
    "welcome-email",
    "win-back",
];

/// What a crate of this workspace may depend on. Its tests may use this harness besides.
fn permitted(package: &str) -> BTreeSet<&'static str> {
    let with_rules = |others: &[&'static str]| RULES.iter().chain(others).copied().collect();
    match package {
        FRAMEWORK | INLINING | MOMENTS | CHECKSUMS => BTreeSet::new(),
        LAMBDA | AWS | EMBEDDED => [FRAMEWORK].into(),
        TEMPLATES => [FRAMEWORK, INLINING, MOMENTS].into(),
        "session-release" | "links" => [FRAMEWORK, LAMBDA, AWS, EMBEDDED].into(),
        "courier" => [FRAMEWORK, LAMBDA, AWS, EMBEDDED, TEMPLATES].into(),
        "pool" => with_rules(&[FRAMEWORK, LAMBDA, AWS, EMBEDDED, TEMPLATES]),
        LOCAL => with_rules(&[
            FRAMEWORK,
            LAMBDA,
            EMBEDDED,
            TEMPLATES,
            INLINING,
            "pool",
            "courier",
            "links",
            "session-release",
        ]),
        "poolctl" => with_rules(&[FRAMEWORK, LAMBDA, AWS, EMBEDDED, "pool"]),
        BENCH => with_rules(&[FRAMEWORK, LAMBDA, TEMPLATES, TESTS]),
        // For the function that gets into trouble, which is there to be watched.
        TESTS => [FRAMEWORK, LAMBDA, "access-code", "unique-nickname"].into(),
        BATTERED => [FRAMEWORK, LAMBDA, AWS, EMBEDDED, TEMPLATES, "pool", "courier"].into(),
        rule if RULES.contains(&rule) => [FRAMEWORK, LAMBDA, AWS, EMBEDDED, TEMPLATES, MOMENTS].into(),
        stranger => panic!("`{stranger}` is in no line of this table: add it to RULES, or say what it may depend on"),
    }
}

/// What else a crate's own tests may use.
fn permitted_in_tests(package: &str) -> BTreeSet<&'static str> {
    match package {
        // Real binaries of everybody, against everything.
        TESTS => RULES
            .into_iter()
            .chain([FRAMEWORK, LAMBDA, AWS, EMBEDDED, TEMPLATES, LOCAL, "pool", "poolctl", "links", "session-release"])
            .collect(),
        _ => [TESTS].into(),
    }
}

/// The one crate, or the few, that may name an outside thing.
struct Door {
    /// What the name of a dependency begins with.
    start: &'static str,
    who: &'static [&'static str],
    /// Whose tests may look behind the door.
    whose_tests: &'static [&'static str],
}

const DOORS: [Door; 8] = [
    Door { start: "aws-", who: &[AWS], whose_tests: &[] },
    Door { start: "aws_lambda_events", who: &[FRAMEWORK, "courier"], whose_tests: &["links"] },
    // The benchmarks compare with a bare echo.
    Door { start: "lambda_runtime", who: &[LAMBDA, BENCH], whose_tests: &[] },
    // What is in the file is looked at without the code that wrote it.
    Door { start: "rusqlite", who: &[EMBEDDED], whose_tests: &[LOCAL, "poolctl", TESTS] },
    Door { start: "libsqlite3-sys", who: &[EMBEDDED], whose_tests: &[] },
    Door { start: "hyper", who: &[AWS, LOCAL, TESTS], whose_tests: &[] },
    Door { start: "reqwest", who: &[], whose_tests: &[] },
    Door { start: "openssl", who: &[], whose_tests: &[] },
];

#[test]
fn every_arrow_points_inward() {
    let mut wrong = Vec::new();
    for package in workspace() {
        let allowed = permitted(&package.name);
        let in_tests = permitted_in_tests(&package.name);
        for dependency in package.dependencies.iter().filter(|dependency| dependency.is_ours) {
            let name = dependency.name.as_str();
            let is_permitted = allowed.contains(name) || dependency.is_for_tests && in_tests.contains(name);
            if !is_permitted {
                wrong.push(format!("{} -> {name}{}", package.name, dependency.remark()));
            }
        }
    }
    assert!(wrong.is_empty(), "these arrows are not permitted:\n{}", wrong.join("\n"));
}

#[test]
fn each_outside_thing_has_one_door() {
    let mut wrong = Vec::new();
    for package in workspace() {
        for dependency in &package.dependencies {
            let closed = |door: &Door| {
                let name = package.name.as_str();
                dependency.name.starts_with(door.start)
                    && !door.who.contains(&name)
                    && !(dependency.is_for_tests && door.whose_tests.contains(&name))
            };
            if DOORS.iter().any(closed) {
                wrong.push(format!("{} -> {}{}", package.name, dependency.name, dependency.remark()));
            }
        }
    }
    assert!(wrong.is_empty(), "these crates go past the door:\n{}", wrong.join("\n"));
}

#[test]
fn a_rule_can_be_built_without_any_service() {
    for package in workspace().iter().filter(|package| RULES.contains(&package.name.as_str())) {
        for service in [AWS, EMBEDDED] {
            let named = package.dependencies.iter().filter(|dependency| dependency.name == service);
            for dependency in named.filter(|dependency| !dependency.is_for_tests) {
                assert!(dependency.is_optional, "{} -> {service} has to be optional", package.name);
            }
        }
    }
}

#[test]
fn the_framework_needs_neither_aws_nor_lambda_nor_a_runtime() {
    let tree = Tree::of(FRAMEWORK, &[]);
    tree.lacks(&["aws-", "aws_lambda_events", "lambda_runtime", "tokio", "hyper", "libsqlite3-sys"]);
    assert!(tree.has("serde_json"));
}

#[test]
fn what_is_deployed_holds_no_sqlite_and_what_runs_here_does() {
    for package in RULES.into_iter().chain(["pool"]) {
        Tree::of(package, &[]).lacks(&["libsqlite3-sys", "rusqlite", EMBEDDED]);
    }
    assert!(Tree::of("pool", &[]).has("aws-sdk-dynamodb"));
    let here = Tree::of("pool", &["--no-default-features", "--features", "embedded"]);
    assert!(here.has("libsqlite3-sys"));
    here.lacks(&["aws-"]);
}

#[test]
fn a_rule_that_asks_no_service_links_none() {
    for rule in ["domain-allow-list", "templated-message"] {
        Tree::of(rule, &[]).lacks(&["aws-", "rustls", "libsqlite3-sys"]);
    }
}

#[test]
fn no_function_parses_pages_or_styles() {
    for package in RULES.into_iter().chain(["pool", "courier"]) {
        Tree::linked(package).lacks(&["css-inline", "cssparser", "html5ever", "selectors"]);
    }
}

/// A package of the workspace and what it names.
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    is_ours: bool,
    is_for_tests: bool,
    is_optional: bool,
}

impl Dependency {
    fn remark(&self) -> &'static str {
        if self.is_for_tests { " (for tests)" } else { "" }
    }
}

fn workspace() -> Vec<Package> {
    let metadata: Value = serde_json::from_str(&cargo(&["metadata", "--format-version", "1", "--no-deps"])).unwrap();
    let packages: Vec<_> = metadata["packages"].as_array().unwrap().iter().map(package).collect();
    assert!(packages.len() > RULES.len(), "a workspace of {} packages", packages.len());
    for rule in RULES {
        assert!(packages.iter().any(|package| package.name == rule), "`{rule}` is no package of the workspace");
    }
    packages
}

fn package(package: &Value) -> Package {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let dependency = |dependency: &Value| Dependency {
        name: text(&dependency["name"]),
        // What has a path lies in this repository.
        is_ours: dependency["path"].is_string(),
        is_for_tests: dependency["kind"] == "dev",
        is_optional: dependency["optional"] == true,
    };
    let dependencies = package["dependencies"].as_array().unwrap().iter().map(dependency).collect();
    Package { name: text(&package["name"]), dependencies }
}

/// All that is built into a package on this machine, itself included, with one choice of features.
struct Tree {
    what: String,
    names: BTreeSet<String>,
}

impl Tree {
    fn of(package: &str, features: &[&str]) -> Self {
        Self::with_edges(package, "normal,build", features)
    }

    /// The same without what only builds it.
    fn linked(package: &str) -> Self {
        Self::with_edges(package, "normal", &[])
    }

    fn with_edges(package: &str, edges: &str, features: &[&str]) -> Self {
        let mut arguments = vec!["tree", "--package", package, "--edges", edges, "--prefix", "none"];
        arguments.extend(features);
        let printed = cargo(&arguments);
        let names: BTreeSet<_> = printed.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
        assert!(names.contains(package), "the tree of {package} does not hold it:\n{printed}");
        Self { what: format!("{package} {}", features.join(" ")), names }
    }

    fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    fn lacks(&self, starts: &[&str]) {
        let unwanted = |name: &&String| starts.iter().any(|start| name.starts_with(start));
        let found: Vec<_> = self.names.iter().filter(unwanted).collect();
        assert!(found.is_empty(), "{} holds {found:?}", self.what);
    }
}

/// What a command of the cargo that builds this test prints.
fn cargo(arguments: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let output = Command::new(env!("CARGO")).args(arguments).arg("--locked").current_dir(root).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
