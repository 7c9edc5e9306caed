//! `run.sh` as it is called from anywhere, with a cargo that only tells what it was
//! asked for.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.canonicalize().expect("the sources")
}

/// A fresh folder for a test.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("run-sh-{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// A folder with the tools that the script needs, without a cargo.
fn tools(name: &str) -> PathBuf {
    let tools = folder(&format!("{name}-tools"));
    for tool in ["sh", "dirname", "readlink", "find"] {
        let found = ["/bin", "/usr/bin"].map(|folder| Path::new(folder).join(tool));
        let found = found.iter().find(|path| path.exists()).expect(tool);
        symlink(found, tools.join(tool)).expect("a link");
    }
    tools
}

/// The call `script args` in `folder`, its cargo a stub that prints the folder it
/// runs in and its arguments, a line a call.
fn call(name: &str, script: &Path, args: &[&str]) -> Command {
    let tools = tools(name);
    let cargo = tools.join("cargo");
    let text = "#!/bin/sh\necho \"$(pwd -P): cargo $*\"\n";
    std::fs::write(&cargo, text).expect("a stub");
    std::fs::set_permissions(&cargo, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    let mut command = Command::new(script);
    command.args(args).env("PATH", tools).current_dir("/");
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn output(mut command: Command) -> Output {
    command.output().expect("sh runs")
}

/// What `./run.sh trace` has cargo do, wherever it is called from.
fn trace() -> String {
    let root = root().display().to_string();
    format!(
        "{root}: cargo build --quiet --target-dir target --bin testbed\n\
         {root}: cargo run --quiet --target-dir target --bin testbed -- trace\n"
    )
}

#[test]
fn cargo_itself_runs_what_it_has_built_wherever_a_config_file_puts_that() {
    let output = output(call("plain", &root().join("run.sh"), &["trace"]));
    assert_eq!(text(&output.stdout), trace());
}

#[test]
fn a_symbolic_link_to_a_symbolic_link_leads_to_the_sources() {
    let links = folder("links");
    std::fs::create_dir(links.join("a folder")).expect("a folder");
    symlink(root().join("run.sh"), links.join("a folder/absolute")).expect("a link");
    symlink("a folder/absolute", links.join("relative")).expect("a link");
    let output = output(call("linked", &links.join("relative"), &["trace"]));
    assert_eq!(text(&output.stdout), trace(), "{}", text(&output.stderr));
}

#[test]
fn a_cdpath_leads_nowhere_else() {
    let elsewhere = folder("cdpath");
    let root = root();
    let name = root.file_name().expect("a name");
    std::fs::create_dir(elsewhere.join(name)).expect("a folder");
    let script = Path::new(name).join("run.sh");
    let mut command = call("cdpath", &script, &["trace"]);
    command
        .current_dir(root.parent().expect("a parent"))
        .env("CDPATH", elsewhere);
    assert_eq!(text(&output(command).stdout), trace());
}

#[test]
fn without_cargo_it_says_where_to_get_it() {
    let mut command = Command::new(root().join("run.sh"));
    command.arg("efficient").env("PATH", tools("bare"));
    let output = output(command);
    assert_eq!(output.status.code(), Some(127));
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("https://rustup.rs") && stderr.lines().count() == 1,
        "{stderr}"
    );
}

#[test]
fn the_list_of_commands_and_a_mistyped_one_are_answered_without_a_build() {
    let script = root().join("run.sh");
    for args in [&[][..], &["--help"], &["-h"], &["mutants", "--help"]] {
        let output = output(call("list", &script, args));
        assert_eq!(output.status.code(), Some(0));
        let stdout = text(&output.stdout);
        assert!(stdout.contains("  mutants  "), "{args:?}: {stdout}");
        assert!(!stdout.contains(": cargo"), "{args:?}: {stdout}");
    }
    for (args, says) in [
        (&["efficien"][..], "there is no command 'efficien'"),
        (&["usage:"], "there is no command 'usage:'"),
        (&["*"], "there is no command '*'"),
        (&["mutants", "--fast"], "takes no options, not '--fast'"),
        (&["mutants", "good", "news"], "takes no options, not 'news'"),
        (&["ablation", "--fast"], "takes no options, not '--fast'"),
        (&["lesson", "news"], "takes no options, not 'news'"),
        (
            &["test", "-w", "echo"],
            "Maelstrom's 'test -w echo' is here './run.sh workload echo'",
        ),
    ] {
        let output = output(call("wrong", &script, args));
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains(says), "{args:?}");
        assert_eq!(text(&output.stdout), "", "{args:?}");
    }
}

#[test]
fn a_run_in_memory_builds_the_testbed_alone_and_a_real_one_the_node_as_it_is_shipped() {
    let script = root().join("run.sh");
    let built = |args: &[&str]| {
        let stdout = text(&output(call("builds", &script, args)).stdout);
        let lines = stdout.lines().map(|line| line.split(": cargo ").last());
        let lines: Vec<String> = lines.flatten().map(str::to_owned).collect();
        lines
    };
    let testbed = "build --quiet --target-dir target --bin testbed";
    let node = "build --quiet --target-dir target --release --bin hubcast --bin flood";
    for args in [
        &["efficient", "--virtual"][..],
        &["scale"],
        &["crash", "--help"],
    ] {
        assert_eq!(built(args)[0], testbed, "{args:?}");
    }
    for args in [&["efficient"][..], &["crash", "--", "--virtual"]] {
        assert_eq!(built(args)[..2], [node, testbed], "{args:?}");
    }
    let bench = built(&["bench"]);
    assert!(bench[0].ends_with("--release --bins") && bench[1].contains("run --release"));
    assert!(built(&["mutants"])[0].contains("test --quiet --target-dir target --test mutants"));
}
