//! `fuseboard completions`: a script that bash takes, and that completes.

use crate::traffic::run;
use std::io::Write;
use std::process::{Command, Stdio};

fn bash(script: &str) -> String {
    let mut bash = Command::new("bash")
        .args(["--norc", "--noprofile", "-s"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("bash");
    let mut stdin = bash.stdin.take().expect("piped");
    stdin.write_all(script.as_bytes()).expect("it reads");
    drop(stdin);
    let output = bash.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn bash_completes_commands_and_their_options() {
    let script = run(&["completions", "bash"]);
    assert_eq!(script.status, 0, "{script:?}");
    let complete = |words: &str, index: usize| {
        bash(&format!(
            "set -e\n{}\nCOMP_WORDS=({words}); COMP_CWORD={index}; _fuseboard fuseboard \"${{COMP_WORDS[{index}]}}\"\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            script.out
        ))
    };
    assert_eq!(complete("fuseboard for", 1), "force-open\n");
    let options = complete("fuseboard force-open --", 2);
    for option in ["--for", "--board", "--json"] {
        assert!(options.lines().any(|line| line == option), "{options}");
    }
    let commands = complete("fuseboard ''", 1);
    for command in ["top", "doctor", "list", "get", "configure", "completions"] {
        assert!(commands.lines().any(|line| line == command), "{commands}");
    }
    // What the demo starts by itself is nobody's to type.
    assert!(!commands.contains("demo-worker"), "{commands}");
}

#[test]
fn every_shell_gets_a_script() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(&["completions", shell]);
        assert_eq!(
            (script.status, script.error.as_str()),
            (0, ""),
            "{script:?}"
        );
        assert!(script.out.contains("metrics-only"), "{shell}");
    }
    assert_eq!(run(&["completions", "tcsh"]).status, 2);
}
