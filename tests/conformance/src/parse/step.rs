//! A step: its verb, and the expectations that the verb can meet.

use fuseboard_core::{Nanos, Outcome, Reason, State};

use super::number::{count32, count64, duration};
use super::settings::Settings;
use super::{Names, Parsed, Words, identifier, unexpected};
use crate::trace::{Control, Expect, Kind, Settling, Step, Verb};

/// More repetitions than any scenario needs; a larger number is a slip of the pen.
const TIMES_MAX: u32 = 1_000_000;

pub(super) fn step(
    time: &str,
    mut words: Words<'_>,
    expect: &[&str],
    names: &mut Names,
) -> Parsed<Step> {
    let Ok(at) = duration(time) else {
        return unexpected(
            "a kind (breaker, token_bucket, …) or a time such as 1.5s",
            time,
        );
    };
    let name = words.next("the name of a policy")?;
    let Some(declared) = names.policies.get(name) else {
        return unexpected("a policy declared above", name);
    };
    let Some((kind, settings)) = declared.clone() else {
        return unexpected("a policy whose declaration is not refused", name);
    };
    let times =
        match words.next_if(|word| word.strip_prefix('x').is_some_and(|n| count32(n).is_ok())) {
            None => 1,
            Some(word) => match count32(&word[1..])? {
                times @ 1..=TIMES_MAX => times,
                _ => return unexpected("x1 to x1000000", word),
            },
        };
    let expect = expect
        .iter()
        .map(|word| expectation(word))
        .collect::<Parsed<Vec<_>>>()?;
    let word = words.next("a verb")?;
    let verb = if word == "configure" {
        let changes = Settings::read(words)?;
        if changes.is_empty() {
            return unexpected("key=value", "");
        }
        let settings = settings.with(changes);
        let policy = settings.policy(kind)?;
        if !expect
            .iter()
            .any(|expect| matches!(expect, Expect::Error(_)))
        {
            names
                .policies
                .insert(name.to_owned(), Some((kind, settings)));
        }
        Verb::Configure(policy)
    } else {
        verb(kind, word, words, name, names)?
    };
    for expect in &expect {
        answerable(kind, &verb, expect)?;
    }
    Ok(Step {
        at,
        name: name.to_owned(),
        times,
        verb,
        expect,
    })
}

fn verb(kind: Kind, word: &str, words: Words<'_>, name: &str, names: &mut Names) -> Parsed<Verb> {
    match (kind, word) {
        (_, "state" | "available") => words.end(word).map(|()| Verb::Look),
        (Kind::Breaker, _) => breaker_verb(word, words, name, names),
        (Kind::Concurrency, _) => concurrency_verb(word, words, name, names),
        _ => limiter_verb(kind, word, words),
    }
}

fn breaker_verb(word: &str, mut words: Words<'_>, name: &str, names: &mut Names) -> Parsed<Verb> {
    if let Some(control) = Control::ALL
        .into_iter()
        .find(|control| control.as_str() == word)
    {
        return match control {
            Control::ForceOpen { .. } => {
                let [until] = options(words, ["until"])?;
                let until = until.map(duration).transpose()?;
                Ok(Verb::Control(Control::ForceOpen { until }))
            }
            _ => words.end(word).map(|()| Verb::Control(control)),
        };
    }
    match word {
        "acquire" => new_permit(words, name, names),
        "success" | "failure" | "ignore" | "drop" => {
            let permit = known_permit(&mut words, name, names)?;
            let [weight] = options(words, ["weight"])?;
            Ok(Verb::Settle(permit, settling(word, weight)?))
        }
        "call" => {
            let outcome = words.next("success, failure, ignore or drop")?;
            let [took, weight] = options(words, ["took", "weight"])?;
            Ok(Verb::Call {
                settling: settling(outcome, weight)?,
                took: took.map_or(Ok(Nanos::ZERO), duration)?,
            })
        }
        _ => unexpected(
            "acquire, success, failure, ignore, drop, call, force_open, disable, metrics_only, reset, configure or state",
            word,
        ),
    }
}

fn concurrency_verb(
    word: &str,
    mut words: Words<'_>,
    name: &str,
    names: &mut Names,
) -> Parsed<Verb> {
    let settling = match word {
        "acquire" => return new_permit(words, name, names),
        "drop" => Settling::Drop,
        "release" => Settling::Release,
        _ => {
            return unexpected(
                "acquire, release, drop, configure, state or available",
                word,
            );
        }
    };
    let permit = known_permit(&mut words, name, names)?;
    words.end(word)?;
    Ok(Verb::Settle(permit, settling))
}

fn limiter_verb(kind: Kind, word: &str, mut words: Words<'_>) -> Parsed<Verb> {
    let may_reserve = matches!(kind, Kind::TokenBucket | Kind::LeakyBucket);
    let cost = words
        .next_if(|word| !word.contains('='))
        .map(count64)
        .transpose()?;
    match word {
        "acquire" => {
            words.end(word)?;
            Ok(Verb::Acquire {
                cost: cost.unwrap_or(1),
            })
        }
        "refund" => {
            words.end(word)?;
            match cost {
                Some(cost) => Ok(Verb::Refund { cost }),
                None => unexpected("the units to give back", ""),
            }
        }
        "reserve" if may_reserve => {
            let [max_wait] = options(words, ["max_wait"])?;
            Ok(Verb::Reserve {
                cost: cost.unwrap_or(1),
                max_wait: max_wait.map(duration).transpose()?,
            })
        }
        _ if may_reserve => unexpected(
            "acquire, reserve, refund, configure, state or available",
            word,
        ),
        _ => unexpected("acquire, refund, configure, state or available", word),
    }
}

fn new_permit(mut words: Words<'_>, name: &str, names: &mut Names) -> Parsed<Verb> {
    let permit = identifier(words.next("a name for the permit")?)?.to_owned();
    words.end("the permit's name")?;
    names.permits.insert((name.to_owned(), permit.clone()));
    Ok(Verb::AcquirePermit(permit))
}

fn known_permit(words: &mut Words<'_>, name: &str, names: &Names) -> Parsed<String> {
    let permit = words.next("a permit's name")?.to_owned();
    if names.permits.contains(&(name.to_owned(), permit.clone())) {
        Ok(permit)
    } else {
        unexpected(format!("a permit of {name} acquired above"), permit)
    }
}

fn settling(word: &str, weight: Option<&str>) -> Parsed<Settling> {
    let outcome = match word {
        "success" => Outcome::Success,
        "failure" => Outcome::Failure,
        "ignore" | "drop" => Outcome::Ignored,
        _ => return unexpected("success, failure, ignore or drop", word),
    };
    match weight {
        Some(weight) if outcome == Outcome::Failure => Ok(Settling::Outcome {
            outcome,
            weight: count32(weight)?,
        }),
        Some(weight) => unexpected(format!("no weight on {word}"), format!("weight={weight}")),
        None if word == "drop" => Ok(Settling::Drop),
        None => Ok(Settling::Outcome { outcome, weight: 1 }),
    }
}

/// The values of these keys on the rest of the line; each may be there once, and no other.
fn options<'a, const N: usize>(
    mut words: Words<'a>,
    keys: [&str; N],
) -> Parsed<[Option<&'a str>; N]> {
    let mut values = [None; N];
    while let Some((key, value)) = words.setting()? {
        let slot = keys.iter().position(|known| *known == key);
        match slot.map(|index| &mut values[index]) {
            Some(slot @ None) => *slot = Some(value),
            Some(Some(_)) => return unexpected(format!("{key}= once"), format!("{key}={value}")),
            None => {
                return unexpected(
                    keys.map(|key| format!("{key}=…")).join(" or "),
                    format!("{key}={value}"),
                );
            }
        }
    }
    Ok(values)
}

fn expectation(word: &str) -> Parsed<Expect> {
    if let Some((key, value)) = word.split_once('=') {
        return match key {
            "admitted" => count32(value).map(Expect::AdmittedCount),
            "retry_after" => duration(value).map(Expect::RetryAfter),
            "wait" => duration(value).map(Expect::Wait),
            "available" => count64(value).map(Expect::Available),
            "in_flight" => count32(value).map(Expect::InFlight),
            "state" => match State::ALL.into_iter().find(|state| state.as_str() == value) {
                Some(state) => Ok(Expect::State(state)),
                None => unexpected(State::ALL.map(State::as_str).join(" or "), value),
            },
            _ => unexpected(EXPECTATIONS, word),
        };
    }
    match word {
        "admitted" => Ok(Expect::Admitted),
        "rejected" => Ok(Expect::Rejected(None)),
        "stale" => Ok(Expect::Stale),
        "recorded" => Ok(Expect::Recorded),
        _ => match argument(word, "rejected") {
            Some(value) => match Reason::ALL
                .into_iter()
                .find(|reason| reason.as_str() == value)
            {
                Some(reason) => Ok(Expect::Rejected(Some(reason))),
                None => unexpected(Reason::ALL.map(Reason::as_str).join(" or "), value),
            },
            None => match argument(word, "error") {
                Some(_) => error_field(word).map(|field| Expect::Error(field.to_owned())),
                None => unexpected(EXPECTATIONS, word),
            },
        },
    }
}

const EXPECTATIONS: &str = "admitted, admitted=K, rejected, rejected(REASON), retry_after=DUR, wait=DUR, stale, recorded, state=…, available=N, in_flight=N or error(FIELD)";

/// The field in `error(FIELD)`.
pub(super) fn error_field(word: &str) -> Parsed<&str> {
    match argument(word, "error") {
        Some(field) => identifier(field),
        None => unexpected("error(FIELD)", word),
    }
}

/// `ARGUMENT` in `form(ARGUMENT)`.
fn argument<'a>(word: &'a str, form: &str) -> Option<&'a str> {
    word.strip_prefix(form)?
        .strip_prefix('(')?
        .strip_suffix(')')
}

/// Refuses an expectation that this verb on this kind can never meet or fail.
fn answerable(kind: Kind, verb: &Verb, expect: &Expect) -> Parsed<()> {
    let asks = matches!(
        verb,
        Verb::AcquirePermit(_) | Verb::Call { .. } | Verb::Acquire { .. } | Verb::Reserve { .. }
    );
    let (fits, place) = match expect {
        Expect::Admitted
        | Expect::AdmittedCount(_)
        | Expect::Rejected(_)
        | Expect::RetryAfter(_) => (asks, "acquire, call or reserve"),
        Expect::Wait(_) => (matches!(verb, Verb::Reserve { .. }), "reserve"),
        Expect::Stale | Expect::Recorded => (
            matches!(verb, Verb::Settle(..)),
            "success, failure, ignore, drop or release",
        ),
        Expect::Error(_) => (matches!(verb, Verb::Configure(_)), "configure"),
        Expect::State(_) => (kind == Kind::Breaker, "a breaker"),
        Expect::Available(_) => (kind != Kind::Breaker, "a limiter"),
        Expect::InFlight(_) => (
            matches!(kind, Kind::Breaker | Kind::Concurrency),
            "a breaker or a concurrency limit",
        ),
    };
    if fits {
        Ok(())
    } else {
        unexpected(
            format!("this expectation only on {place}"),
            expect.to_string(),
        )
    }
}
