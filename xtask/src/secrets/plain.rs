//! Values of plain YAML or JSON as they are written: `1.10` is not `1.1`, and `0042` is not `34`.
//! They show whether sops stored its input unchanged.

use std::{collections::BTreeMap, fmt, path::Path, slice};

use anyhow::Context as _;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::{secrets::yaml, tools::sops::key::Key};

/// A value, or an empty list or mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Leaf {
    Null,
    Bool(bool),
    /// A text without its quotes, or a number.
    Written(String),
    EmptyList,
    EmptyMapping,
}

/// Values by key; an item of a list by its number.
pub(crate) type Leaves = BTreeMap<Key, Leaf>;

/// Returns whether a file of this name is YAML or JSON.
pub(crate) fn is_structured(name: &Path) -> bool {
    let extension = name.extension().and_then(|it| it.to_str());
    extension.is_some_and(|it| ["yaml", "yml", "json"].contains(&it))
}

/// Returns the values of the documents in `text`, below `at`. Messages hold no value.
pub(crate) fn leaves(text: &str, at: &Key) -> anyhow::Result<Leaves> {
    let mut res = Leaves::new();
    yaml::check_depth(text)?;
    let documents = serde_yaml::Deserializer::from_str(text);
    for (shape, again) in documents.zip(serde_yaml::Deserializer::from_str(text)) {
        let shape = Shape::deserialize(shape).ok().context(UNREADABLE)?;
        let read = Read { shape: &shape, at: at.clone(), into: &mut res };
        read.deserialize(again).ok().context(UNREADABLE)?;
    }
    Ok(res)
}

const UNREADABLE: &str = "neither YAML nor JSON";

/// Returns the first key that does not have the same value in both.
pub(crate) fn difference<'a>(one: &'a Leaves, other: &'a Leaves) -> Option<&'a Key> {
    one.keys().chain(other.keys()).find(|it| one.get(it) != other.get(it))
}

/// The outline of a document: how to request each value to get it as it is written.
enum Shape {
    Null,
    Bool(bool),
    Written,
    List(Vec<Shape>),
    Mapping(Vec<Shape>),
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Shape, D::Error> {
        from.deserialize_any(Outline)
    }
}

struct Outline;

impl<'de> Visitor<'de> for Outline {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value without a tag")
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_bool<E>(self, it: bool) -> Result<Shape, E> {
        Ok(Shape::Bool(it))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
        Ok(Shape::Written)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape::Written)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Shape, E> {
        Ok(Shape::Written)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Shape, E> {
        Ok(Shape::Written)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::Written)
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::Written)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Shape, A::Error> {
        let mut res = Vec::new();
        while let Some(it) = list.next_element()? {
            res.push(it);
        }
        Ok(Shape::List(res))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        let mut res = Vec::new();
        while let Some((IgnoredAny, it)) = map.next_entry()? {
            res.push(it);
        }
        Ok(Shape::Mapping(res))
    }
}

/// Deserializer of a value with the outline `shape`.
struct Read<'a> {
    shape: &'a Shape,
    at: Key,
    into: &'a mut Leaves,
}

impl Read<'_> {
    fn child<'a, 's: 'a, E: Error>(
        &'a mut self,
        shapes: &mut slice::Iter<'s, Shape>,
        name: &str,
    ) -> Result<Read<'a>, E> {
        let shape = shapes.next().ok_or_else(|| E::custom("two outlines"))?;
        Ok(Read { shape, at: self.at.child(name), into: self.into })
    }
}

impl<'de> DeserializeSeed<'de> for Read<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        let leaf = match self.shape {
            Shape::List(items) if !items.is_empty() => return from.deserialize_seq(self),
            Shape::Mapping(items) if !items.is_empty() => return from.deserialize_map(self),
            Shape::Written => Leaf::Written(String::deserialize(from)?),
            other => {
                IgnoredAny::deserialize(from)?;
                match other {
                    Shape::Bool(it) => Leaf::Bool(*it),
                    Shape::List(_) => Leaf::EmptyList,
                    Shape::Mapping(_) => Leaf::EmptyMapping,
                    Shape::Null | Shape::Written => Leaf::Null,
                }
            }
        };
        self.into.insert(self.at, leaf);
        Ok(())
    }
}

impl<'de> Visitor<'de> for Read<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or a mapping")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        let Shape::List(shapes) = self.shape else { return Err(A::Error::custom("no list")) };
        let mut shapes = shapes.iter();
        for n in 0..shapes.len() {
            let read = self.child(&mut shapes, &n.to_string())?;
            list.next_element_seed(read)?;
        }
        // The end of the list.
        list.next_element::<IgnoredAny>().map(|_| ())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let Shape::Mapping(shapes) = self.shape else { return Err(A::Error::custom("no map")) };
        let mut shapes = shapes.iter();
        while let Some(name) = map.next_key::<String>()? {
            let read = self.child(&mut shapes, &name)?;
            map.next_value_seed(read)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, Leaf)> {
        let leaves = leaves(text, &Key(Vec::new())).unwrap();
        leaves.into_iter().map(|(key, leaf)| (key.to_string(), leaf)).collect()
    }

    #[test]
    fn values_are_as_they_are_written() {
        let numbers = [
            "012345678901",
            "117234567890123456789",
            "340282366920938463463374607431768211456",
            "0042",
            "12345e67",
            "1.10",
            "1_000",
            "0x1F",
            "-3",
            "2026-01-01",
            "yes",
        ];
        for number in numbers {
            for text in [format!("a: {number}"), format!("a: '{number}'\n")] {
                assert_eq!(read(&text), [("a".to_owned(), Leaf::Written(number.to_owned()))]);
            }
        }
        let written = |text: &str| Leaf::Written(text.to_owned());
        let text = "a:\n  0042: [1.0, x, {b: True}]\n  n:\n  e: ''\nl: []\nm: {}\ns: |\n  x\n  y\nt: &t {u: v}\nw: *t\n";
        assert_eq!(
            read(text),
            [
                ("a.0042.0", written("1.0")),
                ("a.0042.1", written("x")),
                ("a.0042.2.b", Leaf::Bool(true)),
                ("a.e", written("")),
                ("a.n", Leaf::Null),
                ("l", Leaf::EmptyList),
                ("m", Leaf::EmptyMapping),
                ("s", written("x\ny\n")),
                ("t.u", written("v")),
                ("w.u", written("v")),
            ]
            .map(|(key, leaf)| (key.to_owned(), leaf))
        );
        assert_eq!(read("1.10"), [(String::new(), written("1.10"))]);
        assert_eq!(read("a: 1\n---\nb: 2\n").len(), 2);
    }

    #[test]
    fn what_cannot_be_read_is_said_without_the_value() {
        for text in ["a: [canary", "a: !canary x", "? [canary]\n: x\n"] {
            assert_eq!(leaves(text, &Key(Vec::new())).unwrap_err().to_string(), UNREADABLE);
        }
    }

    #[test]
    fn a_difference_is_in_either() {
        let [one, other] =
            ["a: 1\nb: 2", "a: 1\nb: '2'\nc: ''"].map(|it| leaves(it, &Key(Vec::new())).unwrap());
        assert_eq!(difference(&one, &other).unwrap().to_string(), "c");
        assert_eq!(difference(&one, &one), None);
    }
}
