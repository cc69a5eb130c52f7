//! Rounds that many may share: while one is under way, all who come meanwhile wait for the next.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::error::{Error, Result};

type Asked = Pin<Box<dyn Future<Output = Result<u64>> + Send>>;

#[derive(Default)]
struct State {
    is_running: bool,
    waiting: Vec<oneshot::Sender<Result<u64>>>,
}

/// Asks once for all who wait.
pub(super) struct Rounds {
    ask: Box<dyn Fn() -> Asked + Send + Sync>,
    state: Mutex<State>,
}

/// Lets the next round start, however this one ends.
struct Turn(Arc<Rounds>);

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if state.waiting.is_empty() {
            state.is_running = false;
            return;
        }
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        let next = Turn(self.0.clone());
        // Nobody waits in a runtime that a panic takes apart, and it takes no more tasks.
        if !std::thread::panicking()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move {
                let answer = (next.0.ask)().await;
                for sender in waiting {
                    // Who waited may have gone away.
                    let _ = sender.send(answer.clone());
                }
                drop(next);
            });
        }
    }
}

impl Rounds {
    pub(super) fn new(ask: impl Fn() -> Asked + Send + Sync + 'static) -> Arc<Rounds> {
        Arc::new(Rounds { ask: Box::new(ask), state: Mutex::new(State::default()) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer of a round that starts after this call.
    pub(super) async fn get(self: &Arc<Self>) -> Result<u64> {
        let receiver = {
            let mut state = self.state();
            if state.is_running {
                let (sender, receiver) = oneshot::channel();
                state.waiting.push(sender);
                Some(receiver)
            } else {
                state.is_running = true;
                None
            }
        };
        match receiver {
            Some(receiver) => receiver.await.map_err(|_| Error::internal("a round was stopped"))?,
            None => {
                let turn = Turn(self.clone());
                let answer = (self.ask)().await;
                drop(turn);
                answer
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_share_a_round_that_starts_after_they_asked() {
        let asked = Arc::new(AtomicU64::new(0));
        let counter = asked.clone();
        let rounds = Rounds::new(move || {
            let number = counter.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(10)).await;
                Ok(number)
            })
        });
        let first = tokio::spawn({
            let rounds = rounds.clone();
            async move { rounds.get().await.unwrap() }
        });
        tokio::time::sleep(Duration::from_millis(1)).await;
        let others: Vec<_> = (0..100)
            .map(|_| {
                let rounds = rounds.clone();
                tokio::spawn(async move { rounds.get().await.unwrap() })
            })
            .collect();
        assert_eq!(first.await.unwrap(), 0);
        for other in others {
            assert_eq!(other.await.unwrap(), 1);
        }
        // Who gives up does not keep others from their turn.
        let given_up = tokio::time::timeout(Duration::from_millis(1), rounds.get()).await;
        assert!(given_up.is_err());
        assert_eq!(rounds.get().await.unwrap(), 3);
        assert_eq!(asked.load(Ordering::SeqCst), 4);
    }
}
