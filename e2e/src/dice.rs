//! Chances that can be had again.

/// Chances of one test, which its seed repeats. (SplitMix64, <https://prng.di.unimi.it/splitmix64.c>.)
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    /// A number below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    /// A place in something of this length.
    ///
    /// # Panics
    /// When there is none.
    pub fn below(&mut self, length: usize) -> usize {
        usize::try_from(self.roll(length as u64)).expect("a length is a usize")
    }

    /// Whether it happens, in so many of a hundred cases.
    pub fn of_100(&mut self, cases: u64) -> bool {
        self.roll(100) < cases
    }
}
