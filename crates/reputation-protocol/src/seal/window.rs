//! Which counters of a session were taken: each at most once.

/// Counters behind the highest that may still come, in any order. At 50,000 questions a second that is 20 ms of
/// reordering; a question that comes later is asked again elsewhere anyway.
pub const WINDOW: u64 = 1024;

const WORDS: usize = (WINDOW / 64) as usize;

/// A ring of bits, one for each of the last [`WINDOW`] counters (RFC 6479).
#[derive(Debug)]
pub(super) struct Window {
    /// The counter after the highest taken.
    end: u64,
    taken: [u64; WORDS],
}

impl Window {
    pub(super) const fn new() -> Self {
        Self { end: 0, taken: [0; WORDS] }
    }

    /// Whether this counter may be taken still.
    pub(super) const fn is_open(&self, counter: u64) -> bool {
        if counter >= self.end {
            return true;
        }
        if self.end - counter > WINDOW {
            return false;
        }
        let (word, bit) = place(counter);
        self.taken[word] & bit == 0
    }

    /// Takes a counter that is open. Only once its datagram has proven authentic.
    pub(super) fn take(&mut self, counter: u64) {
        if counter >= self.end {
            // Bits of counters jumped over are of the round before: clear them.
            let jumped = (counter - self.end).min(WINDOW - 1) + 1;
            for behind in 0..jumped {
                let (word, bit) = place(counter.wrapping_sub(behind));
                self.taken[word] &= !bit;
            }
            self.end = counter.saturating_add(1);
        }
        let (word, bit) = place(counter);
        self.taken[word] |= bit;
    }
}

const fn place(counter: u64) -> (usize, u64) {
    let at = counter % WINDOW;
    ((at / 64) as usize, 1 << (at % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_is_taken_once_within_the_window_and_none_behind_it() {
        let mut window = Window::new();
        window.take(WINDOW);
        assert!(!window.is_open(WINDOW));
        assert!(window.is_open(1), "n behind the end");
        assert!(!window.is_open(0), "n + 1 behind the end");
        window.take(1);
        assert!(!window.is_open(1) && window.is_open(2));
        assert!(window.is_open(WINDOW + 1) && window.is_open(u64::MAX - 1));
    }

    #[test]
    fn it_agrees_with_a_set_of_all_counters() {
        let (mut window, mut taken, mut highest) =
            (Window::new(), std::collections::BTreeSet::new(), 0);
        let mut state = 7_u64;
        for round in 0..200_000_u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let spread = if round % 1000 == 0 { 5000 } else { 1100 };
            let counter = (round / 2 + (state >> 33) % spread).saturating_sub(500);
            let open = !taken.contains(&counter) && counter + WINDOW > highest;
            assert_eq!(window.is_open(counter), open, "{counter} after {highest}");
            if open {
                window.take(counter);
                taken.insert(counter);
                highest = highest.max(counter);
            }
        }
    }

    #[test]
    fn a_jump_forgets_everything_before_it() {
        let mut window = Window::new();
        (0..WINDOW).for_each(|counter| window.take(counter));
        window.take(10 * WINDOW);
        for counter in 9 * WINDOW + 1..10 * WINDOW {
            assert!(window.is_open(counter), "{counter}");
        }
        assert!(!window.is_open(9 * WINDOW) && !window.is_open(10 * WINDOW));
    }
}
