//! `fuseboard top`: live in a terminal, plain and JSON elsewhere.

use crate::terminal::{Terminal, names, row_of};
use crate::traffic::{Traffic, run};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// Four breakers, of which `search` is open, a bucket and a limit.
fn traffic() -> Traffic {
    let mut traffic = Traffic::new();
    traffic.does("succeed payments 30");
    traffic.does("succeed mail 3");
    traffic.does("fail search 20");
    traffic.does("try search 5");
    traffic.does("succeed inventory 9");
    traffic.does("spend api 4");
    traffic.does("hold reports 2");
    traffic
}

fn top(traffic: &Traffic, columns: u16, rows: u16) -> Terminal {
    let arguments = ["top", traffic.board(), "--interval", "100ms"];
    Terminal::new(columns, rows, &arguments, &[])
}

/// The keys are drawn last.
fn is_drawn(lines: &[String]) -> bool {
    lines.last().is_some_and(|keys| keys.contains("q quit")) && row_of(lines, "reports").is_some()
}

fn line_with<'lines>(lines: &'lines [String], name: &str) -> &'lines str {
    row_of(lines, name).map_or("", |row| lines[row].as_str())
}

#[test]
fn the_screen_shows_rows_processes_and_totals() {
    let traffic = traffic();
    let other = Traffic::on(traffic.board().to_owned());
    let mut top = top(&traffic, 130, 40);
    let lines = top.until("all rows", is_drawn);
    top.wait("a screen of its own", |top| {
        top.is_alternate() && top.hides_cursor()
    });
    assert!(lines[0].contains(traffic.board()), "{lines:#?}");
    assert!(lines[0].contains("1 process"), "{lines:#?}");
    assert!(
        lines[1].contains("4 breakers 1 open · 1 bucket · 1 limit"),
        "{lines:#?}"
    );
    // What needs a look comes first.
    assert_eq!(
        names(&lines),
        ["search", "inventory", "mail", "payments", "api", "reports"]
    );
    let search = line_with(&lines, "search");
    for part in ["breaker", "open", "s ", " 5"] {
        assert!(search.contains(part), "{search}");
    }
    assert!(line_with(&lines, "api").contains("4/20"), "{lines:#?}");
    assert!(line_with(&lines, "reports").contains("2/4"), "{lines:#?}");
    let process = traffic.process().to_string();
    let named = |line: &String| line.contains(&process) && line.contains("traffic");
    assert!(lines.iter().any(named), "{lines:#?}");
    // The log keeps what changed before anybody looked, and why.
    let changed =
        |line: &String| line.contains("search closed → open, too many calls failed (20 of 20)");
    assert!(lines.iter().any(changed), "{lines:#?}");
    // One that looks is not attached, and neither is one that has claimed nothing yet.
    assert_eq!((traffic.owners(), other.owners()), (1, 1));
}

#[test]
fn states_have_colours_unless_they_are_not_wanted() {
    let traffic = traffic();
    let mut top = top(&traffic, 80, 24);
    let lines = top.until("all rows", is_drawn);
    let at = |name: &str, text: &str| {
        let row = row_of(&lines, name).unwrap();
        (row, lines[row].find(text).unwrap())
    };
    let (row, column) = at("search", "open");
    assert_eq!(top.cell_colour(row, column), vt100::Color::Idx(1));
    let (row, column) = at("payments", "closed");
    assert_eq!(top.cell_colour(row, column), vt100::Color::Idx(2));

    let arguments = ["top", traffic.board(), "--interval", "100ms"];
    let mut plain = Terminal::new(80, 24, &arguments, &[("NO_COLOR", "1")]);
    plain.until("all rows", is_drawn);
    for line in 0..24 {
        for column in 0..80 {
            assert_eq!(plain.cell_colour(line, column), vt100::Color::Default);
        }
    }
}

#[test]
fn keys_sort_filter_and_pause() {
    let mut traffic = traffic();
    let mut top = top(&traffic, 80, 24);
    top.until("all rows", is_drawn);
    top.press("s");
    let by_name = ["inventory", "mail", "payments", "search", "api", "reports"];
    let lines = top.until("sorted by name", |lines| names(lines) == by_name);
    assert!(line_with(&lines, "NAME").starts_with("NAME▼"), "{lines:#?}");

    top.press("/");
    top.press("PAY");
    top.until("filtered", |lines| names(lines) == ["payments"]);
    top.press("\r");
    top.until("the filter kept", |lines| {
        lines.iter().any(|line| line.contains("only \"PAY\""))
    });
    top.press("\u{1b}");
    top.until("all again", |lines| names(lines) == by_name);

    top.press("p");
    top.until("paused", |lines| lines[0].contains("paused"));
    traffic.does("fail mail 17");
    top.press("p");
    let open = |lines: &[String]| line_with(lines, "mail").contains("open");
    let lines = top.until("on again", open);
    let changes = |line: &String| line.contains("mail closed → open, too many");
    assert!(lines.iter().any(changes), "{lines:#?}");
}

#[test]
fn keys_steer_the_real_breaker_once_confirmed() {
    let traffic = traffic();
    let mut top = top(&traffic, 80, 24);
    top.until("all rows", is_drawn);
    // By name: inventory, mail, payments, search.
    top.press("s");
    top.until("sorted by name", |lines| {
        names(lines).first().is_some_and(|name| name == "inventory")
    });
    top.press("jj");
    let asks = |question: &'static str| {
        move |lines: &[String]| lines.iter().any(|line| line.contains(question))
    };
    top.press("f");
    top.until("asked", asks("force open payments? y: yes"));
    top.press("n");
    top.until("no longer asked", |lines| {
        !asks("force open payments?")(lines)
    });
    assert_eq!(traffic.get("payments")["state"], "closed");

    for (key, question, state) in [
        ("f", "force open payments?", "forced_open"),
        ("d", "disable payments?", "disabled"),
        ("m", "metrics only for payments?", "metrics_only"),
        ("r", "reset payments?", "closed"),
    ] {
        top.press(key);
        top.until("asked", asks(question));
        top.press("y");
        top.until(state, |lines| line_with(lines, "payments").contains(state));
        assert_eq!(traffic.get("payments")["state"], state);
    }
    // An operator's verb is told like any change.
    let told = |lines: &[String]| {
        let reset = |line: &String| line.contains("payments metrics_only → closed");
        lines.iter().any(reset)
    };
    top.until("told", told);
    assert_eq!(traffic.get("inventory")["generation"], 1);
    // A bucket can only be filled, a limit nothing.
    top.press("Gkf");
    top.until("refused", asks("api is a token bucket: not for it"));
    top.press("r");
    top.until("asked", asks("reset api?"));
    top.press("y");
    top.until("filled", asks("api: full, 20 units"));
}

#[test]
fn however_it_ends_the_terminal_is_given_back() {
    type End = fn(&mut Terminal);
    let signal = |top: &mut Terminal, name: &str| {
        let process = top.process().to_string();
        let sent = Command::new("kill").args(["-s", name, &process]).status();
        assert!(sent.expect("kill").success());
    };
    let by_key: [(End, u32); 2] = [(|top| top.press("q"), 0), (|top| top.press("\u{3}"), 130)];
    let traffic = traffic();
    let given_back = |top: &mut Terminal, status: u32| {
        assert_eq!(top.ended(), status);
        top.wait("given back", |top| {
            !top.is_alternate() && !top.hides_cursor()
        });
    };
    for (end, status) in by_key {
        let mut top = top(&traffic, 80, 24);
        top.until("all rows", is_drawn);
        end(&mut top);
        given_back(&mut top, status);
    }
    for (name, status) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        let mut top = top(&traffic, 80, 24);
        top.until("all rows", is_drawn);
        signal(&mut top, name);
        given_back(&mut top, status);
    }
}

#[test]
fn it_fits_any_terminal() {
    let traffic = traffic();
    let mut top = top(&traffic, 120, 40);
    top.until("all rows", is_drawn);
    for (columns, rows) in [(40, 10), (80, 24), (10, 3), (1, 1), (200, 60), (40, 10)] {
        top.resize(columns, rows);
        if columns >= 40 {
            let fits = |lines: &[String]| {
                line_with(lines, "search").contains("open")
                    && lines.last().is_some_and(|keys| keys.contains("q quit"))
            };
            top.until("all rows at another size", fits);
        }
    }
    top.press("?");
    let lines = top.until("help", |lines| lines[0].contains("keys"));
    assert!(
        lines
            .iter()
            .any(|line| line.contains("p q      pause, quit")),
        "{lines:#?}"
    );
    top.press("q");
    top.until("no help", |lines| !lines[0].contains("keys"));
    top.press("q");
    assert_eq!(top.ended(), 0);
}

#[test]
fn elsewhere_it_is_one_table_or_json_lines() {
    let traffic = traffic();
    let board = traffic.board();
    let plain = run(&["top", board, "--interval", "50ms"]);
    assert_eq!((plain.status, plain.error.as_str()), (0, ""), "{plain:?}");
    assert!(!plain.out.contains('\u{1b}'), "{plain:?}");
    assert_eq!(plain.out.lines().count(), 7, "{plain:?}");

    let mut child = crate::traffic::program()
        .args(["top", board, "--json", "--interval", "50ms"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for (number, line) in lines.take(3).enumerate() {
        let object: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
        // Each change is told once.
        let changes = object["changes"].as_array().unwrap();
        assert_eq!(changes.len(), usize::from(number == 0), "{object}");
        if let [change] = &changes[..] {
            assert_eq!(
                (&change["name"], &change["cause"]),
                (&"search".into(), &"failure_rate".into())
            );
            assert_eq!(change["process"], traffic.process());
        }
        assert_eq!(object["board"], board);
        assert_eq!(object["rows"].as_array().unwrap().len(), 6);
        let process = &object["processes"][0];
        assert_eq!(process["process"], traffic.process());
        assert_eq!(
            (&process["command"], &process["is_alive"]),
            (&"traffic".into(), &true.into())
        );
        let payments = &object["rows"][2];
        assert_eq!(
            (&payments["name"], &payments["rejected_per_second"]),
            (&"payments".into(), &0.0.into())
        );
    }
    // Its reader is gone: so is it.
    assert_eq!(child.wait().unwrap().code(), Some(141));
    let short = run(&["top", board, "--interval", "1ms"]);
    assert_eq!(short.status, 2, "{short:?}");
    assert!(short.error.contains("allowed: at least 50ms"), "{short:?}");
}

#[test]
fn the_dead_are_shown_as_dead() {
    let mut traffic = traffic();
    traffic.dies();
    let mut top = top(&traffic, 80, 24);
    let dead = format!("{} dead, not yet", traffic.process());
    top.until("a dead process", |lines| {
        lines.iter().any(|line| line.contains(&dead))
    });
}

#[test]
fn a_board_whose_file_goes_is_told() {
    let traffic = traffic();
    let mut top = top(&traffic, 80, 24);
    top.until("all rows", is_drawn);
    std::fs::remove_file(traffic.board()).unwrap();
    top.until("told", |lines| lines[0].contains("file removed"));
}
