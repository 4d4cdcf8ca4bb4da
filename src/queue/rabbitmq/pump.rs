//! Brings messages of one place into this process, as many as have room.
//!
//! A task behind `consume`. The broker reads a consumer's prefetch only when the consumer is made, so
//! another window needs another consumer; its channel stays, and with it what is in hand.
//!
//! Invariant: bodies in hand take up no more than the place's room, but for a single one that is larger.
//! What comes although it has no room, because the messages before were smaller, is given back, and
//! consuming goes on when there is room for a whole window.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join;
use lapin::message::Delivery as Message;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Consumer, Result};
use tokio::time::timeout;

use super::consumer_buffer::{ConsumerBuffer, Shared};
use super::window::Window;

/// How long the broker may take to end a consumer.
const CANCEL_MAX: Duration = Duration::from_secs(5);

/// What a task needs to bring messages.
pub(super) struct Pump {
    shared: Arc<Shared>,
    consumer_buffer: Arc<ConsumerBuffer>,
    queue: ShortString,
    /// None where one at a time is all that may be in hand.
    window: Option<Window>,
    /// Bodies of the place may take up so much.
    bytes_max: u64,
    /// The broker's tags of what has no room.
    unwanted: Vec<u64>,
}

/// Why a consumer brings no more.
enum End {
    /// Another window fits better.
    Resize,
    /// It is to end, and what is in hand may be finished.
    Retire,
    /// It is over.
    Lost,
}

impl Pump {
    pub(super) fn new(
        shared: Arc<Shared>,
        consumer_buffer: Arc<ConsumerBuffer>,
        queue: ShortString,
        window: Option<Window>,
        bytes_max: u64,
    ) -> Self {
        Self { shared, consumer_buffer, queue, window, bytes_max, unwanted: Vec::new() }
    }

    /// Asks the broker for messages.
    pub(super) async fn consume(&self) -> Result<Consumer> {
        let channel = self.consumer_buffer.flow.channel();
        let count = self.window.as_ref().map_or(1, Window::count);
        channel.basic_qos(count, BasicQosOptions { global: false }).await?;
        let options =
            BasicConsumeOptions { no_local: false, no_ack: false, exclusive: false, nowait: false };
        channel.basic_consume(self.queue.clone(), "".into(), options, FieldTable::default()).await
    }

    /// Takes in what comes, until it is over.
    pub(super) async fn run(mut self, consumer: Consumer) {
        let mut consumer = Some(consumer);
        while let Some(current) = consumer {
            consumer = self.run_once(current).await;
        }
    }

    /// Takes in what one consumer brings; the next one, if there is to be one.
    async fn run_once(&mut self, mut consumer: Consumer) -> Option<Consumer> {
        let end = self.bring(&mut consumer).await;
        match end {
            End::Resize => {
                if self.cancel(consumer).await.is_ok()
                    && self.has_room_again().await
                    && let Ok(next) = self.consume().await
                {
                    return Some(next);
                }
                if self.consumer_buffer.is_retiring() {
                    self.shared.retire(&self.consumer_buffer).await;
                    return None;
                }
            }
            End::Retire => {
                // Whatever it can't be told, it loses with its channel.
                let _ = timeout(CANCEL_MAX, self.cancel(consumer)).await;
                if self.consumer_buffer.flow.channel().status().connected() {
                    self.shared.retire(&self.consumer_buffer).await;
                    return None;
                }
            }
            End::Lost => {}
        }
        self.shared.lose(&self.consumer_buffer);
        None
    }

    async fn bring(&mut self, consumer: &mut Consumer) -> End {
        let consumer_buffer = Arc::clone(&self.consumer_buffer);
        let mut retires = std::pin::pin!(consumer_buffer.retires());
        loop {
            tokio::select! {
                message = consumer.next() => match message {
                    Some(Ok(message)) => {
                        if self.take(message) {
                            return End::Resize;
                        }
                    }
                    Some(Err(_)) | None => return End::Lost,
                },
                () = &mut retires => return End::Retire,
            }
        }
    }

    /// Takes a message in, if it has room. Says whether another window is needed.
    fn take(&mut self, message: Message) -> bool {
        let bytes = message.data.len() as u64;
        let resizes = self.window.as_mut().is_some_and(|window| window.saw(bytes));
        let in_hand = self.consumer_buffer.flow.bytes();
        if in_hand == 0 || in_hand.saturating_add(bytes) <= self.bytes_max {
            self.shared.take_in(&self.consumer_buffer, message);
            return resizes;
        }
        self.consumer_buffer.flow.came_in(message.delivery_tag);
        self.unwanted.push(message.delivery_tag);
        true
    }

    /// Ends a consumer. What it still brings meanwhile is taken in, or given back with the rest that has
    /// no room.
    async fn cancel(&mut self, mut consumer: Consumer) -> Result<()> {
        let channel = self.consumer_buffer.flow.channel();
        let cancelled = channel.basic_cancel(consumer.tag(), BasicCancelOptions { nowait: false });
        let rest = async {
            while let Some(Ok(message)) = consumer.next().await {
                self.take(message);
            }
        };
        let (cancelled, ()) = join(cancelled, rest).await;
        self.consumer_buffer.flow.give_back(&std::mem::take(&mut self.unwanted)).await;
        cancelled
    }

    /// Waits until a window has room beside what is in hand. False if it is not to go on.
    async fn has_room_again(&self) -> bool {
        tokio::select! {
            () = self.consumer_buffer.flow.falls_to(self.bytes_max / 2) => true,
            () = self.consumer_buffer.retires() => false,
        }
    }
}
