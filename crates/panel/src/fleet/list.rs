//! Lists that an Agent gives page by page. Whoever took a server over could give pages without an end.

/// Why a list is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAList {
    /// A page is longer than what was asked for.
    #[error("a page of its list has more entries than were asked for")]
    LongPage,
    /// An entry stands where it cannot: it would be asked for again, without an end.
    #[error("its list is not in order")]
    NotInOrder,
    /// There are more entries than any server has.
    #[error("its list has more than {0} entries")]
    TooLong(usize),
}

/// How far a list was read.
#[derive(Debug)]
pub(crate) struct Reading<K> {
    last: Option<K>,
    taken: usize,
    /// The most entries of a page.
    page: usize,
    /// The most entries of all.
    most: usize,
}

impl<K: Ord + Copy> Reading<K> {
    pub(crate) fn new(page: u16, most: usize) -> Self {
        Self { last: None, taken: 0, page: page.into(), most }
    }

    /// The key of the last entry so far, behind which the next page begins.
    pub(crate) fn last(&self) -> Option<K> {
        self.last
    }

    /// Checks the keys of the next page before anything of it is kept. Whether there was anything in it: an empty page is the end of the list.
    pub(crate) fn take(&mut self, keys: impl ExactSizeIterator<Item = K>) -> Result<bool, NotAList> {
        let number = keys.len();
        if number > self.page {
            return Err(NotAList::LongPage);
        }
        for key in keys {
            if self.last.is_some_and(|last| key <= last) {
                return Err(NotAList::NotInOrder);
            }
            self.last = Some(key);
        }
        self.taken += number;
        if self.taken > self.most { Err(NotAList::TooLong(self.most)) } else { Ok(number > 0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_to_its_end_and_one_without_an_end_or_an_order_is_refused() {
        let mut whole = Reading::new(3, 5);
        assert_eq!(whole.take([1, 2, 4].into_iter()), Ok(true));
        assert_eq!((whole.take([5].into_iter()), whole.last()), (Ok(true), Some(5)));
        assert_eq!(whole.take([].into_iter()), Ok(false));
        assert_eq!(Reading::new(3, 9).take([1, 2, 3, 4].into_iter()), Err(NotAList::LongPage));
        for page in [[2, 2], [3, 2]] {
            assert_eq!(Reading::new(3, 9).take(page.into_iter()), Err(NotAList::NotInOrder));
        }
        assert_eq!(whole.take([5].into_iter()), Err(NotAList::NotInOrder));
        let mut endless = Reading::new(3, 5);
        assert_eq!(endless.take([1, 2, 3].into_iter()), Ok(true));
        assert_eq!(endless.take([4, 5, 6].into_iter()), Err(NotAList::TooLong(5)));
    }
}
