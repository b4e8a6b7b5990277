//! [`Stage`]: one policy of a pipeline, or several that are asked as one.

use crate::chaos::Chaos;
use crate::hedge::Hedge;
use crate::pipeline::admission::Admission;
use crate::retry::Retry;
use crate::timeout::Timeout;

#[derive(Debug)]
pub(super) enum Stage {
    Timeout(Timeout),
    Retry(Retry),
    Hedge(Hedge),
    Admission(Admission),
    Chaos(Chaos),
}
