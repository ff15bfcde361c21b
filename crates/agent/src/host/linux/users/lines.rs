//! The lines of one of the files of passwd(5), shadow(5), group(5) and gshadow(5): bytes in, bytes out. What is not changed passes byte for
//! byte, whatever it is: comments, lines of NIS, lines that nobody understands, a last line without an end.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

/// Where a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Among those that were read.
    Read(usize),
    /// Among those that were added.
    Added(usize),
}

/// What a file has of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    One(Place),
    /// Which of them counts is for each program to decide, so nothing is changed.
    Several,
}

/// A file as lines, each a name and more fields behind colons.
pub(super) struct Lines<'a> {
    /// In their order, without their ends. Those that were removed are gone.
    read: Vec<Option<Cow<'a, [u8]>>>,
    added: Vec<Option<Vec<u8>>>,
    /// Lines are added before this one of those that were read: the first of NIS, behind which a name is not looked for.
    end: usize,
    /// Whether the last line has an end.
    is_ended: bool,
    is_changed: bool,
    names: HashMap<&'a [u8], Found>,
    added_names: HashMap<Vec<u8>, usize>,
    /// The numbers in each field that was asked for, with how many lines have them.
    numbers: [OnceCell<HashMap<u64, usize>>; FIELDS],
    /// The names in lists of members, for each field that was asked for.
    members: [OnceCell<HashSet<Vec<u8>>>; FIELDS],
}

/// Only the first of a line's fields are asked for numbers and members.
const FIELDS: usize = 4;

/// A field of a line; nothing if it has fewer.
pub(super) fn field(line: &[u8], index: usize) -> Option<&[u8]> {
    line.split(|byte| *byte == b':').nth(index)
}

/// The line with another text in one field. Fields that it lacks up to there are empty.
pub(super) fn with_field(line: &[u8], index: usize, text: &[u8]) -> Vec<u8> {
    let mut fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
    fields.resize(fields.len().max(index + 1), b"");
    fields[index] = text;
    fields.join(&b':')
}

/// A number as strtoul(3) reads it, which is how every program reads these files.
pub(super) fn number(field: &[u8]) -> Option<u64> {
    std::str::from_utf8(field).ok()?.trim().parse().ok()
}

/// The number in a field of a line.
pub(super) fn number_in(line: &[u8], index: usize) -> Option<u64> {
    number(field(line, index)?)
}

/// The first line of this name.
pub(super) fn line_of<'a>(bytes: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let is_it = |line: &&[u8]| line.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&b':'));
    all(bytes).find(is_it)
}

/// Every line of a file, without its end.
pub(super) fn all(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let mut start = if bytes.is_empty() { None } else { Some(0) };
    let mut ends = memchr::memchr_iter(b'\n', body);
    std::iter::from_fn(move || {
        let from = start?;
        let end = ends.next();
        start = end.map(|end| end + 1);
        Some(&body[from..end.unwrap_or(body.len())])
    })
}

fn members(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b',').filter(|name| !name.is_empty())
}

impl<'a> Lines<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Self {
        let mut lines = Self {
            read: Vec::new(),
            added: Vec::new(),
            end: usize::MAX,
            is_ended: bytes.is_empty() || bytes.ends_with(b"\n"),
            is_changed: false,
            names: HashMap::new(),
            added_names: HashMap::new(),
            numbers: Default::default(),
            members: Default::default(),
        };
        for line in all(bytes) {
            let at = lines.read.len();
            if line.starts_with(b"+") || line.starts_with(b"-") {
                lines.end = lines.end.min(at);
            }
            if let Some(name) = memchr::memchr(b':', line).map(|colon| &line[..colon]) {
                lines.names.entry(name).and_modify(|found| *found = Found::Several).or_insert(Found::One(Place::Read(at)));
            }
            lines.read.push(Some(Cow::Borrowed(line)));
        }
        lines.end = lines.end.min(lines.read.len());
        lines
    }

    /// The lines of a name.
    pub(super) fn find(&self, name: &str) -> Found {
        match (self.names.get(name.as_bytes()), self.added_names.get(name.as_bytes())) {
            (Some(Found::One(place)), None) if self.at(*place).is_some() => Found::One(*place),
            (None | Some(Found::One(_)), Some(at)) if self.at(Place::Added(*at)).is_some() => Found::One(Place::Added(*at)),
            (Some(Found::Several), _) => Found::Several,
            _ => Found::Nothing,
        }
    }

    /// The line at a place; nothing if it was removed.
    pub(super) fn at(&self, place: Place) -> Option<&[u8]> {
        match place {
            Place::Read(at) => self.read.get(at)?.as_deref(),
            Place::Added(at) => self.added.get(at)?.as_deref(),
        }
    }

    /// Whether a line is of this name, or asks NIS for it.
    pub(super) fn has(&self, name: &str) -> bool {
        let of_nis = |sign: char| self.names.contains_key(format!("{sign}{name}").as_bytes());
        self.find(name) != Found::Nothing || of_nis('+') || of_nis('-')
    }

    /// How many lines have this number in a field.
    pub(super) fn count(&self, index: usize, number: u32) -> usize {
        let numbers = self.numbers[index].get_or_init(|| {
            let mut numbers = HashMap::new();
            for number in self.lines().filter_map(|line| number_in(line, index)) {
                *numbers.entry(number).or_default() += 1;
            }
            numbers
        });
        numbers.get(&u64::from(number)).copied().unwrap_or_default()
    }

    /// Whether a line has this name in its list of members in a field.
    pub(super) fn has_member(&self, index: usize, name: &str) -> bool {
        let collect = || self.lines().filter_map(|line| field(line, index)).flat_map(members).map(<[u8]>::to_vec).collect();
        self.members[index].get_or_init(collect).contains(name.as_bytes())
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.read.iter().flatten().map(AsRef::as_ref).chain(self.added.iter().flatten().map(AsRef::as_ref))
    }

    /// Adds a line of a name that no line has.
    pub(super) fn add(&mut self, name: &str, line: Vec<u8>) {
        self.count_line(&line, true);
        self.added_names.insert(name.as_bytes().to_vec(), self.added.len());
        self.added.push(Some(line));
        self.is_changed = true;
    }

    /// Puts another line in the place of one. Its name stays.
    pub(super) fn set(&mut self, place: Place, line: Vec<u8>) {
        self.count_line(&line, true);
        self.replace(place, Some(line));
    }

    pub(super) fn remove(&mut self, place: Place) {
        self.replace(place, None);
    }

    fn replace(&mut self, place: Place, line: Option<Vec<u8>>) {
        let before = match place {
            Place::Read(at) => std::mem::replace(&mut self.read[at], line.map(Cow::Owned)),
            Place::Added(at) => std::mem::replace(&mut self.added[at], line).map(Cow::Owned),
        };
        if let Some(before) = before {
            self.count_line(&before, false);
        }
        self.is_changed = true;
    }

    /// Keeps what was counted true, so that it is counted once for all changes. A member that is gone may still be taken for one.
    fn count_line(&mut self, line: &[u8], comes: bool) {
        for (index, numbers) in self.numbers.iter_mut().enumerate() {
            if let (Some(numbers), Some(number)) = (numbers.get_mut(), number_in(line, index)) {
                let count = numbers.entry(number).or_default();
                *count = if comes { *count + 1 } else { count.saturating_sub(1) };
            }
        }
        for (index, names) in self.members.iter_mut().enumerate().filter(|_| comes) {
            if let (Some(names), Some(list)) = (names.get_mut(), field(line, index)) {
                names.extend(members(list).map(<[u8]>::to_vec));
            }
        }
    }

    /// Takes names out of the lists of members in these fields, wherever they are.
    pub(super) fn remove_members(&mut self, indexes: &[usize], names: &HashSet<&[u8]>) {
        for line in self.read.iter_mut().flatten() {
            for index in indexes {
                let list = field(line, *index).unwrap_or_default();
                if members(list).any(|name| names.contains(name)) {
                    let left: Vec<&[u8]> = list.split(|byte| *byte == b',').filter(|name| !names.contains(name)).collect();
                    *line = Cow::Owned(with_field(line, *index, &left.join(&b',')));
                    self.is_changed = true;
                }
            }
        }
    }

    /// Removes every line of these names.
    pub(super) fn remove_all(&mut self, names: &HashSet<&[u8]>) {
        for line in &mut self.read {
            if line.as_ref().and_then(|line| field(line, 0)).is_some_and(|name| names.contains(name)) {
                *line = None;
                self.is_changed = true;
            }
        }
    }

    /// The file as it is to be; nothing if nothing of it was changed.
    pub(super) fn render(&self) -> Option<Vec<u8>> {
        if !self.is_changed {
            return None;
        }
        let added = self.added.iter().flatten();
        let size = self.lines().map(|line| line.len() + 1).sum();
        let (before, behind) = self.read.split_at(self.end);
        let mut bytes = Vec::with_capacity(size);
        let lines = before.iter().flatten().map(AsRef::as_ref).chain(added.map(Vec::as_slice));
        for line in lines.chain(behind.iter().flatten().map(AsRef::as_ref)) {
            bytes.extend_from_slice(line);
            bytes.push(b'\n');
        }
        if !self.is_ended {
            bytes.pop();
        }
        Some(bytes)
    }
}
