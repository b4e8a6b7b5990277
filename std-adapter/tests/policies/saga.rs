use crate::now;
use fuseboard::{Progress, Saga, SagaError};
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};

/// What was done, and which step fails.
#[derive(Clone, Default)]
struct Shop {
    done: Arc<Mutex<Vec<String>>>,
    fails: &'static str,
}

impl Shop {
    fn act(self, what: &'static str) -> Ready<Result<(), &'static str>> {
        self.done.lock().unwrap().push(what.to_owned());
        ready(if self.fails == what {
            Err("no")
        } else {
            Ok(())
        })
    }

    fn done(&self) -> String {
        self.done.lock().unwrap().join(" ")
    }
}

fn order() -> Saga<Shop, &'static str> {
    Saga::new()
        .step(
            "stock",
            |shop: Shop| shop.act("+stock"),
            |shop| shop.act("-stock"),
        )
        .step(
            "card",
            |shop: Shop| shop.act("+card"),
            |shop| shop.act("-card"),
        )
        .step(
            "post",
            |shop: Shop| shop.act("+post"),
            |shop| shop.act("-post"),
        )
}

fn failing(fails: &'static str) -> Shop {
    Shop {
        fails,
        ..Default::default()
    }
}

fn run(shop: &Shop, from: Progress) -> (Result<(), SagaError<&'static str>>, Vec<String>) {
    let mut kept = Vec::new();
    let end = now(order().run(shop.clone(), from, |progress| {
        kept.push(progress.to_string());
    }));
    (end, kept)
}

#[test]
fn all_steps_are_made_in_order() {
    let shop = failing("");
    let (end, kept) = run(&shop, Progress::START);
    assert!(end.is_ok());
    assert_eq!(shop.done(), "+stock +card +post");
    assert_eq!(kept, ["making 0", "making 1", "making 2", "done"]);
}

#[test]
fn a_failed_step_and_those_before_it_are_undone_from_the_last_back() {
    let shop = failing("+card");
    let (end, kept) = run(&shop, Progress::START);
    assert!(matches!(
        end,
        Err(SagaError::Undone {
            step: "card",
            error: "no"
        })
    ));
    assert_eq!(shop.done(), "+stock +card -card -stock");
    assert_eq!(
        kept,
        ["making 0", "making 1", "undoing 1", "undoing 0", "undone"]
    );
}

#[test]
fn from_whatever_was_kept_last_it_goes_on_to_the_same_end() {
    // A crash after any record: the saga is taken up with it.
    for (fails, end) in [("", "done"), ("+card", "undone"), ("+post", "undone")] {
        let (_, kept) = run(&failing(fails), Progress::START);
        for (number, last) in kept.iter().enumerate() {
            let shop = failing(fails);
            let (_, later) = run(&shop, last.parse().unwrap());
            let expected = &kept[number..];
            if later.is_empty() {
                assert_eq!(last, end);
            } else {
                assert_eq!(later, expected, "{fails}: from {last}");
            }
        }
    }
}

#[test]
fn an_undo_that_fails_says_where_to_go_on() {
    let shop = Shop {
        fails: "-card",
        ..failing("")
    };
    let (end, _) = run(&shop, Progress::Making(1).undo());
    let Err(SagaError::UndoFailed {
        step: "card",
        progress,
        ..
    }) = end
    else {
        panic!("{end:?}");
    };
    let shop = failing("");
    assert!(matches!(
        run(&shop, progress).0,
        Err(SagaError::UndoneLater)
    ));
    assert_eq!(shop.done(), "-card -stock");
}

#[test]
fn a_progress_of_another_saga_is_refused_and_so_is_a_text_that_is_none() {
    let (end, _) = run(&failing(""), Progress::Making(3));
    assert!(end.unwrap_err().to_string().contains("3 steps"));
    let error = "making tea".parse::<Progress>().unwrap_err();
    assert!(error.to_string().contains("making tea"), "{error}");
    for progress in [
        Progress::Making(7),
        Progress::Undoing(2),
        Progress::Done,
        Progress::Undone,
    ] {
        assert_eq!(progress.to_string().parse(), Ok(progress));
    }
}
