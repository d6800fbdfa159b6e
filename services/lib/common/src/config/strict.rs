//! Reading by key only. Serde fills the fields of a struct from a list, too, by position, and figment takes a number for a
//! variant of an enum: `limits: [0, 0, 0]` would turn guards off that nobody named.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, EnumAccess, Error as _, MapAccess, SeqAccess, Unexpected, Visitor},
};

/// A `T` in which every struct was written with its keys, and every variant by its name.
pub struct Strict<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Strict<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(Wrapped(deserializer)).map(Self)
    }
}

/// What is asked for.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Asked {
    Anything,
    /// The fields of a struct.
    Keys,
    /// Of a field or a variant.
    Name,
}

struct Wrapped<D>(D);

macro_rules! pass_on {
    ($($method:ident => $asked:ident ($($argument:ident: $kind:ty),*);)*) => {
        $(fn $method<V: Visitor<'de>>(self, $($argument: $kind,)* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($($argument,)* Guard { visitor, asked: Asked::$asked })
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Wrapped<D> {
    type Error = D::Error;

    pass_on! {
        deserialize_struct => Keys (name: &'static str, fields: &'static [&'static str]);
        deserialize_identifier => Name ();
        deserialize_enum => Anything (name: &'static str, variants: &'static [&'static str]);
        deserialize_any => Anything ();
        deserialize_ignored_any => Anything ();
        deserialize_bool => Anything ();
        deserialize_i8 => Anything ();
        deserialize_i16 => Anything ();
        deserialize_i32 => Anything ();
        deserialize_i64 => Anything ();
        deserialize_i128 => Anything ();
        deserialize_u8 => Anything ();
        deserialize_u16 => Anything ();
        deserialize_u32 => Anything ();
        deserialize_u64 => Anything ();
        deserialize_u128 => Anything ();
        deserialize_f32 => Anything ();
        deserialize_f64 => Anything ();
        deserialize_char => Anything ();
        deserialize_str => Anything ();
        deserialize_string => Anything ();
        deserialize_bytes => Anything ();
        deserialize_byte_buf => Anything ();
        deserialize_option => Anything ();
        deserialize_unit => Anything ();
        deserialize_unit_struct => Anything (name: &'static str);
        deserialize_newtype_struct => Anything (name: &'static str);
        deserialize_seq => Anything ();
        deserialize_tuple => Anything (length: usize);
        deserialize_tuple_struct => Anything (name: &'static str, length: usize);
        deserialize_map => Anything ();
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

struct Guard<V> {
    visitor: V,
    asked: Asked,
}

macro_rules! visit {
    ($($method:ident: $kind:ty),*) => {
        $(fn $method<E: serde::de::Error>(self, value: $kind) -> Result<V::Value, E> {
            self.visitor.$method(value)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Guard<V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.asked {
            Asked::Keys => formatter.write_str("keys, such as `key: value`"),
            Asked::Name => formatter.write_str("a name"),
            Asked::Anything => self.visitor.expecting(formatter),
        }
    }

    visit! {
        visit_bool: bool, visit_i128: i128, visit_u128: u128, visit_f64: f64, visit_char: char, visit_str: &str,
        visit_borrowed_str: &'de str, visit_string: String, visit_bytes: &[u8], visit_borrowed_bytes: &'de [u8],
        visit_byte_buf: Vec<u8>
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<V::Value, E> {
        match self.asked {
            Asked::Name => Err(E::invalid_type(Unexpected::Signed(value), &self)),
            _ => self.visitor.visit_i64(value),
        }
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<V::Value, E> {
        match self.asked {
            Asked::Name => Err(E::invalid_type(Unexpected::Unsigned(value), &self)),
            _ => self.visitor.visit_u64(value),
        }
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_some(Wrapped(deserializer))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<V::Value, D::Error> {
        self.visitor.visit_newtype_struct(Wrapped(deserializer))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<V::Value, A::Error> {
        match self.asked {
            Asked::Keys => Err(A::Error::invalid_type(Unexpected::Seq, &self)),
            _ => self.visitor.visit_seq(Inside(sequence)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Inside(map))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_enum(Inside(variant))
    }
}

/// What is inside a list, a map or an enum.
struct Inside<A>(A);

struct Seed<S>(S);

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Seed<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Wrapped(deserializer))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Inside<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Seed(seed))
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Inside<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.0.next_key_seed(Seed(seed))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Seed(seed))
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Inside<A> {
    type Error = A::Error;
    type Variant = A::Variant;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, A::Variant), A::Error> {
        self.0.variant_seed(Seed(seed))
    }
}
