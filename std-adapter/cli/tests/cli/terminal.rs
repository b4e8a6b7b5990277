//! The program in a real pseudo-terminal, and what stands on its screen.

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::num::NonZero;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything takes on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(20);

/// A terminal with the program in it.
pub(crate) struct Terminal {
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    parser: vt100::Parser,
}

impl Terminal {
    /// Starts the program in a terminal of this many columns and rows.
    pub(crate) fn new(
        columns: u16,
        rows: u16,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system()
            .openpty(size)
            .expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_fuseboard"));
        command.args(arguments);
        command.env("TERM", "xterm-256color");
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "FUSEBOARD_BOARD"] {
            command.env_remove(name);
        }
        for (name, value) in variables {
            command.env(name, value);
        }
        let child = pair
            .slave
            .spawn_command(command)
            .expect("the program starts");
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let (sender, output) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            keys: pair.master.take_writer().expect("a writer"),
            master: pair.master,
            child,
            output,
            parser: vt100::Parser::new(at_least_one(rows), at_least_one(columns), 0),
        }
    }

    pub(crate) fn process(&self) -> i32 {
        i32::try_from(self.child.process_id().expect("it runs")).expect("a process id")
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("it reads");
    }

    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: 0,
            pixel_height: 0,
        };
        let screen = self.parser.screen_mut();
        screen.set_size(at_least_one(rows), at_least_one(columns));
        self.master.resize(size).expect("it can be resized");
    }

    /// The screen's lines.
    pub(crate) fn screen(&self) -> Vec<String> {
        let screen = self.parser.screen();
        let (_, columns) = screen.size();
        screen
            .rows(0, columns.get())
            .map(|row| row.trim_end().to_owned())
            .collect()
    }

    pub(crate) fn cell_colour(&self, row: usize, column: usize) -> vt100::Color {
        let (row, column) = (row as u16, column as u16);
        self.parser
            .screen()
            .cell(row, column)
            .expect("on the screen")
            .fgcolor()
    }

    /// Whether the screen is the program's own, which goes away with it.
    pub(crate) fn is_alternate(&self) -> bool {
        self.parser.screen().alternate_screen()
    }

    pub(crate) fn hides_cursor(&self) -> bool {
        self.parser.screen().hide_cursor()
    }

    /// Waits until the screen is as `wanted` says; its lines then.
    pub(crate) fn until(&mut self, what: &str, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
        self.wait(what, |terminal| wanted(&terminal.screen()));
        self.screen()
    }

    /// Waits until the terminal is as `wanted` says.
    pub(crate) fn wait(&mut self, what: &str, wanted: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !wanted(self) {
            let lines = self.screen();
            assert!(
                Instant::now() < deadline,
                "never {what}:\n{}",
                lines.join("\n")
            );
            self.take(Duration::from_millis(50));
        }
    }

    /// Waits for the program's end; its status.
    pub(crate) fn ended(&mut self) -> u32 {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            self.take(Duration::from_millis(20));
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(
                Instant::now() < deadline,
                "it goes on:\n{}",
                self.screen().join("\n")
            );
        };
        // What it wrote last.
        self.take(Duration::from_millis(200));
        status.exit_code()
    }

    fn take(&mut self, time: Duration) {
        let Ok(bytes) = self.output.recv_timeout(time) else {
            return;
        };
        self.parser.process(&bytes);
        while let Ok(bytes) = self.output.try_recv() {
            self.parser.process(&bytes);
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn at_least_one(size: u16) -> NonZero<u16> {
    NonZero::new(size).expect("a screen has a size")
}

/// The row in which `name` stands first, if there is one.
pub(crate) fn row_of(lines: &[String], name: &str) -> Option<usize> {
    lines.iter().position(|line| line.starts_with(name))
}

/// The names below the table's title, in order.
pub(crate) fn names(lines: &[String]) -> Vec<String> {
    let below = lines
        .iter()
        .skip_while(|line| !line.starts_with("NAME"))
        .skip(1);
    below
        .take_while(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect()
}
