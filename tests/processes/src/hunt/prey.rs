//! [`Prey`]: one victim's process and what it says; [`Quarry`]: what was found with the dead.

use super::{
    BufRead, BufReader, Child, Command, Path, PathBuf, Record, Result, Stdio, Word, bail, ensure,
};
use std::fmt;
use std::os::unix::process::CommandExt;

/// Names of the operations, from kind 1 on.
const OPERATIONS: [&str; 7] = [
    "a call of `count`",
    "a call of `trip`",
    "settling a probe",
    "taking a unit",
    "taking a place",
    "giving a place back",
    "claiming or removing a name",
];

/// A victim that lives; dropped, it is killed.
pub(super) struct Prey {
    child: Child,
    pub(super) record: Record,
}

impl Prey {
    /// Starts one, and waits until it has said that it is ready.
    pub(super) fn start(
        command: &[String],
        board: &Path,
        scratch: PathBuf,
        seed: u64,
    ) -> Result<Self> {
        let [program, arguments @ ..] = command else {
            bail!("a command line has at least a program")
        };
        let record = Record::create(scratch)?;
        let mut command_line = Command::new(program);
        command_line
            .args(arguments)
            .args([board, record.path()])
            .arg(seed.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        // SAFETY: between fork and exec there is one system call.
        unsafe {
            command_line.pre_exec(|| {
                // It works until it is killed: also when its hunter is.
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            });
        }
        let mut child = command_line.spawn()?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let prey = Self { child, record };
        if line != "ready\n" {
            bail!("a victim said {line:?} instead of ready: {command:?}");
        }
        Ok(prey)
    }
}

impl Drop for Prey {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the dead left in their scratch files.
#[derive(Default)]
pub(super) struct Quarry {
    pub(super) killed: u64,
    middle: [u64; OPERATIONS.len()],
    sums: [u64; 7],
    with_places: u64,
    with_probes: u64,
}

impl Quarry {
    /// Kills one (SIGKILL), and reads what it said last.
    pub(super) fn take(&mut self, mut victim: Prey) -> Result<()> {
        if let Some(status) = victim.child.try_wait()? {
            bail!("a victim died by itself: {status}");
        }
        victim.child.kill()?;
        victim.child.wait()?;
        self.killed += 1;
        let record = &victim.record;
        let doing = record.read(Word::Doing)?;
        if let Some(kind) = doing.checked_sub(1) {
            match self.middle.get_mut(kind as usize) {
                Some(count) => *count += 1,
                None => bail!("a victim did operation {doing}, which there is not"),
            }
        }
        for word in [Word::Done, Word::Calls, Word::Failures, Word::Units] {
            self.sums[word as usize] += record.read(word)?;
        }
        self.with_places += u64::from(record.read(Word::Places)? > 0);
        self.with_probes += u64::from(record.read(Word::Probes)? > 0);
        Ok(())
    }

    /// The sum of a word that counts.
    pub(super) fn of(&self, word: Word) -> u64 {
        self.sums[word as usize]
    }

    /// A tenth in the middle of an operation, and some with places and probes; or they died too harmlessly to show anything.
    pub(super) fn was_cruel(&self) -> Result<()> {
        let Self {
            killed,
            with_places,
            with_probes,
            ..
        } = *self;
        ensure!(
            self.in_the_middle() * 10 >= killed && with_places * 50 >= killed && with_probes > 0,
            "they died too harmlessly"
        );
        Ok(())
    }

    /// How many died in the middle of an operation.
    pub(super) fn in_the_middle(&self) -> u64 {
        self.middle.iter().sum()
    }
}

impl fmt::Display for Quarry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} killed after {} operations; {} in the middle of one, {} with places, {} with a probe:",
            self.killed,
            self.of(Word::Done),
            self.in_the_middle(),
            self.with_places,
            self.with_probes
        )?;
        for (name, count) in OPERATIONS.iter().zip(self.middle) {
            writeln!(f, "  {count:>5} in the middle of {name}")?;
        }
        Ok(())
    }
}
