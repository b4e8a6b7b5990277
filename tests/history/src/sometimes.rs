//! Every *always* has its *sometimes*: a case that no history reached was not checked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Cases that a run must reach.
#[derive(Clone, Debug)]
pub struct Sometimes(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Sometimes {
    /// These cases, none reached yet.
    pub fn new(cases: &[&'static str]) -> Self {
        Self(Arc::new(Mutex::new(
            cases.iter().map(|&case| (case, 0)).collect(),
        )))
    }

    /// Counts one case, if it `is_so`.
    ///
    /// # Panics
    /// On a case that was not named before.
    pub fn count(&self, case: &'static str, is_so: bool) {
        if is_so {
            let mut cases = self.0.lock().expect("nobody panics here");
            *cases
                .get_mut(case)
                .unwrap_or_else(|| panic!("`{case}` is no case of this run")) += 1;
        }
    }

    /// Prints how often each case was reached.
    ///
    /// # Panics
    /// When one was not.
    pub fn must_all_have_happened(&self) {
        let cases = self.0.lock().expect("nobody panics here").clone();
        println!("  sometimes: {cases:?}");
        let never: Vec<_> = cases.iter().filter(|(_, count)| **count == 0).collect();
        assert!(never.is_empty(), "no history reached {never:?}");
    }
}
