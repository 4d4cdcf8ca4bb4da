//! How many messages of a place may be here or on their way here: the broker counts messages, memory
//! counts bytes, so it follows from the sizes that were seen. Pure.
//!
//! Used by `pump`. Invariant: so many messages of the largest size seen lately take up no more than half
//! of the place's room; the other half is for what earlier windows left in hand.

/// The size of what was not seen yet: the largest that the door takes by default.
const BYTES_ASSUMED: u64 = 8 << 20;

/// How many times larger a window may be than the one before it.
const GROWTH: u64 = 4;

/// A size is remembered for so many messages, and for up to twice as many.
const REMEMBERED: u32 = 128;

/// How many messages may come without being ended.
#[derive(Clone, Debug)]
pub(super) struct Window {
    bytes_max: u64,
    count_max: u64,
    count: u64,
    /// Messages since the window was chosen.
    seen: u64,
    /// The largest size of the messages now remembered together, and of those before.
    largest: [u64; 2],
    /// Messages that are remembered together now.
    remembered: u32,
}

impl Window {
    /// The first window of a place that has room for `bytes_max`.
    pub(super) fn new(bytes_max: u64, count_max: u16) -> Self {
        let count_max = u64::from(count_max).max(1);
        let count = (bytes_max / 2 / BYTES_ASSUMED).clamp(1, count_max);
        Self { bytes_max, count_max, count, seen: 0, largest: [0; 2], remembered: 0 }
    }

    /// What the broker is told.
    pub(super) fn count(&self) -> u16 {
        u16::try_from(self.count).unwrap_or(u16::MAX)
    }

    /// Notes the size of a message, in bytes. Says whether another window fits better from now on: at
    /// once if this one is too large, else when a whole one came without need for that.
    pub(super) fn saw(&mut self, bytes: u64) -> bool {
        self.remember(bytes);
        self.seen += 1;
        let fitting = self.fitting();
        let grown = fitting.min(self.count.saturating_mul(GROWTH));
        let is_too_small = self.seen >= self.count && grown > self.count;
        if fitting >= self.count && !is_too_small {
            return false;
        }
        self.count = grown;
        self.seen = 0;
        true
    }

    /// How many of the largest that is remembered have room.
    fn fitting(&self) -> u64 {
        let largest = self.largest[0].max(self.largest[1]).max(1);
        (self.bytes_max / 2 / largest).clamp(1, self.count_max)
    }

    fn remember(&mut self, bytes: u64) {
        if self.remembered == REMEMBERED {
            self.largest = [0, self.largest[0]];
            self.remembered = 0;
        }
        self.remembered += 1;
        self.largest[0] = self.largest[0].max(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: u64 = 64 << 20;

    fn see(window: &mut Window, bytes: u64, times: usize) -> usize {
        (0..times).filter(|_| window.saw(bytes)).count()
    }

    #[test]
    fn it_begins_with_what_surely_has_room_and_grows_by_what_came() {
        let mut window = Window::new(ROOM, 1000);
        assert_eq!(window.count(), 4);
        assert_eq!(see(&mut window, 2_500, 4 + 16 + 64 + 256), 4);
        assert_eq!(window.count(), 1000);
        assert_eq!(see(&mut window, 2_500, 10_000), 0, "and then it stays");
    }

    #[test]
    fn one_large_message_shrinks_it_at_once_and_is_remembered() {
        let mut window = Window::new(ROOM, 1000);
        see(&mut window, 2_500, 2_000);
        assert!(window.saw(3 << 20));
        assert_eq!(window.count(), 10);
        assert_eq!(see(&mut window, 2_500, 120), 0, "another may follow");
        see(&mut window, 2_500, 2_000);
        assert_eq!(window.count(), 1000);
    }

    #[test]
    fn what_has_no_room_comes_one_at_a_time() {
        let mut window = Window::new(1 << 20, 1000);
        assert_eq!(window.count(), 1);
        see(&mut window, 100 << 20, 10);
        assert_eq!(window.count(), 1);
        let mut all = Window::new(u64::MAX, u16::MAX);
        see(&mut all, 0, 1 << 18);
        assert_eq!(all.count(), u16::MAX);
    }

    #[test]
    fn whatever_comes_a_window_of_the_largest_has_room() {
        let mut window = Window::new(ROOM, 1000);
        let mut size: u64 = 1;
        for _ in 0..10_000 {
            size = size.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let bytes = size >> (40 + size % 20);
            window.saw(bytes);
            assert!(u64::from(window.count()) * bytes <= ROOM / 2 || window.count() == 1);
        }
    }
}
