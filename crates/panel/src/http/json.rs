//! JSON that says each thing once. Of a key that is there twice, one reader takes the first and another the last.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Keys that are told to be there twice.
const MOST_TOLD: usize = 20;

/// Reads a document; with it the places of all keys that are there twice, as in `limits.disk_mib` and `records[0].name`, escaped and short.
pub(super) fn read(bytes: &[u8]) -> Result<(Value, Vec<String>), serde_json::Error> {
    let twice = RefCell::new(Vec::new());
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Reader { place: String::new(), twice: &twice }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok((value, twice.into_inner()))
}

struct Reader<'a> {
    /// Where the value stands.
    place: String,
    twice: &'a RefCell<Vec<String>>,
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Reader { place: format!("{}[{}]", self.place, values.len()), twice: self.twice })? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(key) = object.next_key::<String>()? {
            let shown: String = key.chars().take(60).flat_map(char::escape_debug).collect();
            // The place of what is very deep is told by its end.
            let above: String = self.place.chars().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect();
            let place = if above.is_empty() { shown } else { format!("{above}.{shown}") };
            let value = object.next_value_seed(Reader { place: place.clone(), twice: self.twice })?;
            if values.insert(key, value).is_some() {
                let mut twice = self.twice.borrow_mut();
                if twice.len() < MOST_TOLD && !twice.contains(&place) {
                    twice.push(place);
                }
            }
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_twice_is_named_wherever_it_is() {
        let twice = |text: &str| read(text.as_bytes()).unwrap().1;
        assert_eq!(twice(r#"{"a": 1, "b": {"a": 1}, "c": [{"a": 1}, {"a": 1}]}"#), Vec::<String>::new());
        assert_eq!(twice(r#"{"a": 1, "a": 1, "a": 1}"#), ["a"]);
        assert_eq!(twice(r#"{"a": null, "\u0061": null}"#), ["a"]);
        assert_eq!(twice(r#"{"b": {"a": 1, "a": 2}, "c": [1, {"d": {"e": 1, "e": {}}}], "b": 1}"#), ["b.a", "c[1].d.e", "b"]);
        let hostile = format!("{{\"x\\u001b{0}\": 1, \"x\\u001b{0}\": 2}}", "y".repeat(1000));
        assert_eq!(twice(&hostile), [format!("x\\u{{1b}}{}", "y".repeat(58))]);
        let many = (0..1000).map(|at| format!("\"k{at}\": 1, \"k{at}\": 1,")).collect::<Vec<_>>().concat();
        assert_eq!(twice(&format!("{{{many} \"z\": 1}}")).len(), MOST_TOLD);
    }

    #[test]
    fn it_is_read_as_any_other_reader_does() {
        for text in [
            r#"{"a": [1, -1, 1.5, true, null, "x\n", {}], "": 18446744073709551615, "z": {"b": []}}"#,
            "[]",
            "null",
            "\"\\ud83d\\ude00\"",
            "-9223372036854775808",
        ] {
            assert_eq!(read(text.as_bytes()).unwrap(), (serde_json::from_str(text).unwrap(), vec![]), "{text}");
        }
        let deep = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
        for bad in ["", "{", "{} {}", "{\"a\":}", "{\"a\" 1}", "[1,]", "1e999", "NaN", "\u{feff}{}", deep.as_str()] {
            assert!(read(bad.as_bytes()).is_err(), "{bad:.20}");
        }
    }
}
