//! Amounts of data, and how much of a limit they are.

use std::fmt;

/// Bytes in the largest unit of which there is one whole, with one decimal; limits are counted in the same units.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bytes(pub(crate) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match units.into_iter().find(|(size, _)| self.0 >= *size) {
            Some((size, unit)) if self.0 % size * 10 / size == 0 => write!(f, "{} {unit}", self.0 / size),
            Some((size, unit)) => write!(f, "{}.{} {unit}", self.0 / size, self.0 % size * 10 / size),
            None if self.0 == 1 => f.write_str("1 byte"),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

/// What is used of something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Use {
    pub(crate) used: Bytes,
    /// Nothing: unlimited.
    pub(crate) limit: Option<Bytes>,
    /// Whether more may be used than that.
    pub(crate) at_least: bool,
}

impl Use {
    pub(crate) fn new(used: u64, limit: Option<u64>) -> Self {
        Self { used: Bytes(used), limit: limit.map(Bytes), at_least: false }
    }

    /// The same, of which perhaps not all was counted.
    pub(crate) fn at_least(self, at_least: bool) -> Self {
        Self { at_least, ..self }
    }

    /// Hundredths of the limit, if there is one. More than 100 where more is used.
    pub(crate) fn percent(&self) -> Option<u64> {
        let limit = u128::from(self.limit?.0.max(1));
        Some(u64::try_from(u128::from(self.used.0) * 100 / limit).unwrap_or(u64::MAX))
    }

    /// How much of a bar of 100 is full: something, if anything is used.
    pub(crate) fn width(&self) -> u64 {
        self.percent().unwrap_or_default().clamp(u64::from(self.used.0 > 0), 100)
    }

    /// How the bar is drawn.
    pub(crate) fn class(&self) -> &'static str {
        match self.percent() {
            Some(95..) => "full",
            Some(80..95) => "high",
            _ => "fine",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_people_say_them() {
        let words = |bytes| Bytes(bytes).to_string();
        assert_eq!(
            [0, 1, 1023, 1024, 1_572_864, 10 << 30, 3 << 40].map(words),
            ["0 bytes", "1 byte", "1023 bytes", "1 KiB", "1.5 MiB", "10 GiB", "3 TiB"]
        );
    }

    #[test]
    fn a_bar_is_never_wider_than_itself_and_never_empty_for_something() {
        let of = |used, limit| {
            let one = Use::new(used, limit);
            (one.percent(), one.width(), one.class())
        };
        assert_eq!(of(0, Some(10)), (Some(0), 0, "fine"));
        assert_eq!(of(1, Some(1000)), (Some(0), 1, "fine"));
        assert_eq!(of(80, Some(100)), (Some(80), 80, "high"));
        assert_eq!(of(300, Some(100)), (Some(300), 100, "full"));
        assert_eq!(of(u64::MAX, Some(1)), (Some(u64::MAX), 100, "full"));
        assert_eq!(of(5, None).0, None);
    }
}
