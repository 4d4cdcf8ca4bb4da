//! What was published on one channel and is not confirmed yet, and when a confirm counts.
//!
//! Called by `publish`. The broker sends a message back that it can't route, and confirms it some time
//! later; confirms of others may come in between. lapin 4.12 gives a returned message to whichever
//! confirm of the channel ends next (`Acknowledgements::complete_pending`). So a confirm with a returned
//! message only says that *some* message of the channel went nowhere, and one without says nothing until
//! all that ended before it were looked at.
//!
//! Invariant: nobody is told of a confirm before everything that ended earlier on its channel was looked
//! at, and a return fails all that is outstanding. Those are published once more, and their receipts make
//! that harmless.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use futures_util::future::BoxFuture;
use futures_util::task::AtomicWaker;

use super::error::BrokerError;
use super::lock::Lock;

/// What the broker said to a message.
#[derive(Debug)]
pub(super) enum Answer {
    /// It is durable, unless a message of the channel was returned before.
    Confirmed,
    /// Some message of the channel can't be routed; why.
    Returned(String),
    /// It is not durable.
    Failed(BrokerError),
}

/// A call that hands a message over in its first step and ends with the broker's answer.
pub(super) type Call = BoxFuture<'static, Answer>;

/// The calls of one channel. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Confirms(Arc<Shared>);

#[derive(Default)]
struct Shared {
    calls: Lock<Calls>,
    woken: Arc<Lock<VecDeque<u64>>>,
}

#[derive(Default)]
struct Calls {
    outstanding: HashMap<u64, Outstanding>,
    next_key: u64,
}

struct Outstanding {
    /// None once the broker answered.
    call: Option<Call>,
    /// What its caller is to be told.
    answer: Option<Result<(), BrokerError>>,
    /// Whether somebody waits. A call that nobody waits for is still seen through: lapin keeps a
    /// confirm for ever that is dropped before its time.
    is_awaited: bool,
    waker: Arc<CallWaker>,
}

/// Told by lapin, in its own thread, that a call can go on.
struct CallWaker {
    key: u64,
    /// The calls that can go on, in the order in which they could.
    woken: Arc<Lock<VecDeque<u64>>>,
    /// Who waits for the call.
    waiter: AtomicWaker,
}

impl Wake for CallWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.with(|woken| woken.push_back(self.key));
        self.waiter.wake();
    }
}

impl Confirms {
    /// Does the call's first step, in one with its registration: the broker counts messages as they come
    /// in, lapin when it is called, and the two agree only if no other call comes between.
    pub(super) fn begin(&self, call: Call) -> Confirming {
        let woken = &self.0.woken;
        let waker = self.0.calls.with(|calls| {
            let key = calls.next_key;
            calls.next_key += 1;
            let waiter = AtomicWaker::new();
            let waker = Arc::new(CallWaker { key, woken: Arc::clone(woken), waiter });
            let outstanding = Outstanding {
                call: Some(call),
                answer: None,
                is_awaited: true,
                waker: Arc::clone(&waker),
            };
            calls.outstanding.insert(key, outstanding);
            woken.with(|woken| woken.push_back(key));
            calls.advance(woken);
            waker
        });
        Confirming { confirms: Some(self.clone()), waker }
    }
}

impl Calls {
    /// Looks at all that can go on, then tells. In two steps: what ended before a call that just ended
    /// was woken before that, but may not have been looked at.
    fn advance(&mut self, woken: &Lock<VecDeque<u64>>) {
        let mut answers = Vec::new();
        while let Some(key) = woken.with(VecDeque::pop_front) {
            answers.extend(self.poll(key).map(|answer| (key, answer)));
        }
        for (_, answer) in &answers {
            if let Answer::Returned(why) = answer {
                self.fail_all(&BrokerError::Unroutable(why.clone()));
            }
        }
        for (key, answer) in answers {
            self.end(key, answer);
        }
    }

    fn poll(&mut self, key: u64) -> Option<Answer> {
        let outstanding = self.outstanding.get_mut(&key)?;
        let waker = Waker::from(Arc::clone(&outstanding.waker));
        let call = outstanding.call.as_mut()?;
        match call.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => {
                // It may have been woken more than once.
                outstanding.call = None;
                Some(answer)
            }
            Poll::Pending => None,
        }
    }

    fn fail_all(&mut self, error: &BrokerError) {
        for outstanding in self.outstanding.values_mut() {
            if outstanding.answer.is_none() {
                outstanding.answer = Some(Err(error.clone()));
                outstanding.waker.waiter.wake();
            }
        }
    }

    fn end(&mut self, key: u64, answer: Answer) {
        let Some(outstanding) = self.outstanding.get_mut(&key) else { return };
        outstanding.answer.get_or_insert(match answer {
            Answer::Confirmed => Ok(()),
            Answer::Returned(why) => Err(BrokerError::Unroutable(why)),
            Answer::Failed(error) => Err(error),
        });
        if !outstanding.is_awaited {
            self.outstanding.remove(&key);
        }
    }

    /// Nobody waits any more, or the answer is known.
    fn leave(&mut self, key: u64) -> Option<Result<(), BrokerError>> {
        let outstanding = self.outstanding.get_mut(&key)?;
        if outstanding.call.is_none() {
            return self.outstanding.remove(&key)?.answer;
        }
        outstanding.is_awaited = false;
        outstanding.answer.clone()
    }

    fn is_answered(&self, key: u64) -> bool {
        self.outstanding.get(&key).is_none_or(|outstanding| outstanding.answer.is_some())
    }
}

/// Waits for the answer to a call. Dropped, it only stops waiting.
pub(super) struct Confirming {
    /// None once it is answered.
    confirms: Option<Confirms>,
    waker: Arc<CallWaker>,
}

impl Future for Confirming {
    type Output = Result<(), BrokerError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.waker.waiter.register(context.waker());
        let Some(confirms) = &self.confirms else { return Poll::Pending };
        let answer = confirms.0.calls.with(|calls| {
            calls.advance(&self.waker.woken);
            let is_answered = calls.is_answered(self.waker.key);
            is_answered.then(|| calls.leave(self.waker.key).unwrap_or(Err(BrokerError::Closed)))
        });
        match answer {
            Some(answer) => {
                self.confirms = None;
                Poll::Ready(answer)
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for Confirming {
    fn drop(&mut self) {
        if let Some(confirms) = &self.confirms {
            confirms.0.calls.with(|calls| calls.leave(self.waker.key));
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::sync::oneshot::{self, Sender};

    use super::*;

    /// A call that the test answers, and who waits for it.
    fn published(confirms: &Confirms) -> (Sender<Answer>, Confirming) {
        let (answers, answered) = oneshot::channel();
        let call = async move { answered.await.unwrap_or(Answer::Failed(BrokerError::Closed)) };
        (answers, confirms.begin(call.boxed()))
    }

    fn returned() -> Answer {
        Answer::Returned("NO_ROUTE".to_owned())
    }

    fn is_unroutable(confirming: &mut Confirming) -> bool {
        matches!(confirming.now_or_never(), Some(Err(BrokerError::Unroutable(_))))
    }

    /// lapin gave the first one's return to the second: whoever asks first, the first one is not
    /// confirmed.
    #[test]
    fn a_return_that_another_confirm_has_is_seen_before_a_confirm_is_told() {
        let confirms = Confirms::default();
        let (first, mut first_waits) = published(&confirms);
        let (second, mut second_waits) = published(&confirms);
        second.send(returned()).unwrap();
        first.send(Answer::Confirmed).unwrap();
        assert!(is_unroutable(&mut first_waits));
        assert!(is_unroutable(&mut second_waits));
    }

    /// The same, but the first one was woken before, by something else.
    #[test]
    fn what_was_woken_earlier_is_told_no_earlier() {
        let confirms = Confirms::default();
        let (first, mut first_waits) = published(&confirms);
        let (second, _second_waits) = published(&confirms);
        confirms.0.woken.with(|woken| woken.push_back(0));
        second.send(returned()).unwrap();
        first.send(Answer::Confirmed).unwrap();
        assert!(is_unroutable(&mut first_waits));
    }

    #[test]
    fn a_return_fails_all_that_is_outstanding_and_nothing_else() {
        let confirms = Confirms::default();
        let (before, mut before_waits) = published(&confirms);
        before.send(Answer::Confirmed).unwrap();
        assert!(matches!((&mut before_waits).now_or_never(), Some(Ok(()))));
        let (first, first_waits) = published(&confirms);
        let (_second, mut second_waits) = published(&confirms);
        // Its caller went away; its confirm has somebody's return.
        drop(first_waits);
        first.send(returned()).unwrap();
        assert!(is_unroutable(&mut second_waits));
        let (after, mut after_waits) = published(&confirms);
        assert!((&mut after_waits).now_or_never().is_none());
        after.send(Answer::Confirmed).unwrap();
        assert!(matches!((&mut after_waits).now_or_never(), Some(Ok(()))));
    }

    #[test]
    fn a_call_that_nobody_waits_for_is_seen_through_and_forgotten() {
        let confirms = Confirms::default();
        let (answers, waits) = published(&confirms);
        drop(waits);
        assert_eq!(confirms.0.calls.with(|calls| calls.outstanding.len()), 1);
        answers.send(Answer::Confirmed).unwrap();
        // The next one looks after it.
        let (_next, _waits) = published(&confirms);
        assert_eq!(confirms.0.calls.with(|calls| calls.outstanding.len()), 1);
    }
}
