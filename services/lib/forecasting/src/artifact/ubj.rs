//! UBJ, the binary form of XGBoost's JSON (UBJSON draft 12, as XGBoost writes it since 1.6), decoded into the same values,
//! and written.
//!
//! Numbers are big-endian. A 32-bit float becomes the 64-bit float of the same value, so nothing is rounded.

mod write;

pub use write::Writer;

use serde_json::{Map, Number, Value};

/// Containers within containers; a model needs six.
const DEEPEST: usize = 32;
/// Values in one file, a bound on memory: about a million tree nodes.
const MOST_VALUES: usize = 16_000_000;

/// Why bytes are no UBJ, with the position of the byte that says so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct BadUbj {
    what: &'static str,
    at: usize,
}

/// Whether `bytes` begin like a UBJ object; JSON goes on with a quote or a space instead.
pub fn is_ubj(bytes: &[u8]) -> bool {
    matches!(
        bytes,
        [b'{', b'i' | b'U' | b'I' | b'l' | b'L' | b'$' | b'#', ..]
    )
}

/// The value in `bytes`, which hold nothing else.
///
/// # Errors
/// Cut short, malformed, too deep or too large; a number that is not finite.
pub fn decode(bytes: &[u8]) -> Result<Value, BadUbj> {
    let mut reader = Reader {
        bytes,
        at: 0,
        values: 0,
    };
    let value = reader.value(0)?;
    match reader.at == bytes.len() {
        true => Ok(value),
        false => Err(reader.bad("something follows the model")),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    values: usize,
}

/// What a container says of its contents before they come.
#[derive(Clone, Copy)]
struct Header {
    /// The type of every value.
    kind: Option<u8>,
    /// How many there are; otherwise a closing bracket ends them.
    count: Option<usize>,
}

impl<'a> Reader<'a> {
    fn bad(&self, what: &'static str) -> BadUbj {
        BadUbj { what, at: self.at }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], BadUbj> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(taken) = rest.get(..count) else {
            return Err(self.bad("the file is cut short"));
        };
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BadUbj> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The next marker that is not a no-op.
    fn marker(&mut self) -> Result<u8, BadUbj> {
        loop {
            match self.array::<1>()?[0] {
                b'N' => {}
                marker => return Ok(marker),
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, BadUbj> {
        let marker = self.marker()?;
        self.value_of(marker, depth)
    }

    fn value_of(&mut self, marker: u8, depth: usize) -> Result<Value, BadUbj> {
        self.values += 1;
        if self.values > MOST_VALUES {
            return Err(self.bad("more values than any model needs"));
        }
        if depth > DEEPEST {
            return Err(self.bad("containers within containers without end"));
        }
        Ok(match marker {
            b'Z' => Value::Null,
            b'T' => Value::Bool(true),
            b'F' => Value::Bool(false),
            b'd' => {
                let value = f32::from_be_bytes(self.array()?);
                self.finite(value.into())?
            }
            b'D' => {
                let value = f64::from_be_bytes(self.array()?);
                self.finite(value)?
            }
            b'S' => Value::String(self.text()?),
            b'C' => Value::String(char::from(self.array::<1>()?[0]).to_string()),
            b'[' => self.list(depth)?,
            b'{' => self.object(depth)?,
            integer => Value::from(self.integer(integer)?),
        })
    }

    fn finite(&self, value: f64) -> Result<Value, BadUbj> {
        match Number::from_f64(value) {
            Some(number) => Ok(Value::Number(number)),
            None => Err(self.bad("a number that is not finite")),
        }
    }

    fn integer(&mut self, marker: u8) -> Result<i64, BadUbj> {
        Ok(match marker {
            b'i' => i8::from_be_bytes(self.array()?).into(),
            b'U' => u8::from_be_bytes(self.array()?).into(),
            b'I' => i16::from_be_bytes(self.array()?).into(),
            b'l' => i32::from_be_bytes(self.array()?).into(),
            b'L' => i64::from_be_bytes(self.array()?),
            _ => {
                self.at -= 1;
                return Err(self.bad("an unknown type"));
            }
        })
    }

    fn length(&mut self) -> Result<usize, BadUbj> {
        let marker = self.marker()?;
        let length = self.integer(marker)?;
        usize::try_from(length).map_err(|_| self.bad("a negative length"))
    }

    fn text(&mut self) -> Result<String, BadUbj> {
        let length = self.length()?;
        let bytes = self.take(length)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| self.bad("text that is not UTF-8"))
    }

    fn header(&mut self) -> Result<Header, BadUbj> {
        let mut header = Header {
            kind: None,
            count: None,
        };
        if self.peek() == Some(b'$') {
            self.at += 1;
            let kind = self.array::<1>()?[0];
            // Values without a byte of their own could be as many as the count says, at no cost to the sender.
            if matches!(kind, b'Z' | b'T' | b'F' | b'N') {
                return Err(self.bad("a container of values without content"));
            }
            header.kind = Some(kind);
        }
        if self.peek() == Some(b'#') {
            self.at += 1;
            let count = self.length()?;
            // Each takes a byte at least.
            if count > self.bytes.len() - self.at {
                return Err(self.bad("more values announced than the file can hold"));
            }
            header.count = Some(count);
        } else if header.kind.is_some() {
            return Err(self.bad("a typed container without a count"));
        }
        Ok(header)
    }

    /// Whether another value comes; takes the closing bracket otherwise.
    fn goes_on(&mut self, header: Header, done: usize, closing: u8) -> Result<bool, BadUbj> {
        if let Some(count) = header.count {
            return Ok(done < count);
        }
        loop {
            match self.peek() {
                Some(b'N') => self.at += 1,
                Some(byte) if byte == closing => {
                    self.at += 1;
                    return Ok(false);
                }
                Some(_) => return Ok(true),
                None => return Err(self.bad("the file is cut short")),
            }
        }
    }

    fn element(&mut self, header: Header, depth: usize) -> Result<Value, BadUbj> {
        match header.kind {
            Some(kind) => self.value_of(kind, depth + 1),
            None => self.value(depth + 1),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, BadUbj> {
        let header = self.header()?;
        let mut list = Vec::new();
        while self.goes_on(header, list.len(), b']')? {
            list.push(self.element(header, depth)?);
        }
        Ok(Value::Array(list))
    }

    fn object(&mut self, depth: usize) -> Result<Value, BadUbj> {
        let header = self.header()?;
        let mut object = Map::new();
        let mut done = 0;
        while self.goes_on(header, done, b'}')? {
            let key = self.text()?;
            let value = self.element(header, depth)?;
            if object.insert(key, value).is_some() {
                return Err(self.bad("a key that is there twice"));
            }
            done += 1;
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// As XGBoost writes it: counted arrays, lengths and integers of 64 bits, floats of 32.
    pub(crate) fn encode(value: &Value, out: &mut Vec<u8>) {
        let length = |out: &mut Vec<u8>, length: usize| {
            out.push(b'L');
            out.extend((length as i64).to_be_bytes());
        };
        match value {
            Value::Null => out.push(b'Z'),
            Value::Bool(value) => out.push(if *value { b'T' } else { b'F' }),
            Value::Number(number) => match number.as_i64() {
                Some(integer) => {
                    out.push(b'L');
                    out.extend(integer.to_be_bytes());
                }
                None => {
                    out.push(b'd');
                    out.extend((number.as_f64().unwrap() as f32).to_be_bytes());
                }
            },
            Value::String(text) => {
                out.push(b'S');
                length(out, text.len());
                out.extend(text.as_bytes());
            }
            Value::Array(list) => {
                out.extend(b"[#");
                length(out, list.len());
                list.iter().for_each(|value| encode(value, out));
            }
            Value::Object(object) => {
                out.push(b'{');
                for (key, value) in object {
                    length(out, key.len());
                    out.extend(key.as_bytes());
                    encode(value, out);
                }
                out.push(b'}');
            }
        }
    }

    fn encoded(value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        encode(value, &mut out);
        out
    }

    #[test]
    fn every_kind_of_value_is_read() {
        for (bytes, expected) in [
            (&b"i\xff"[..], json!(-1)),
            (b"U\xff", json!(255)),
            (b"I\x01\x00", json!(256)),
            (b"l\xff\xff\xff\xfe", json!(-2)),
            (b"L\x00\x00\x00\x00\x00\x00\x00\x07", json!(7)),
            (b"d\x3d\xcc\xcc\xcd", json!(f64::from(0.1_f32))),
            (b"D\x3f\xb9\x99\x99\x99\x99\x99\x9a", json!(0.1)),
            (b"SU\x02ab", json!("ab")),
            (b"Cx", json!("x")),
            (b"[]", json!([])),
            (b"[TNFZ]", json!([true, false, null])),
            (b"[#U\x02TU\x05", json!([true, 5])),
            (b"[$U#U\x03\x01\x02\x03", json!([1, 2, 3])),
            (
                b"[$d#L\x00\x00\x00\x00\x00\x00\x00\x01\x3f\x80\x00\x00",
                json!([1.0]),
            ),
            (b"{U\x01aT}", json!({"a": true})),
            (b"{$U#U\x01U\x01a\x07", json!({"a": 7})),
        ] {
            assert_eq!(decode(bytes), Ok(expected));
        }
    }

    #[test]
    fn what_is_malformed_says_where() {
        for (bytes, expected) in [
            (&b""[..], "the file is cut short at byte 0"),
            (b"{U\x01a", "the file is cut short at byte 4"),
            (b"x", "an unknown type at byte 0"),
            (b"Si\xff", "a negative length at byte 3"),
            (b"SU\x01\xff", "text that is not UTF-8 at byte 4"),
            (b"TT", "something follows the model at byte 1"),
            (
                b"d\x7f\xc0\x00\x00",
                "a number that is not finite at byte 5",
            ),
            (b"[$U]", "a typed container without a count at byte 3"),
            (
                b"[$T#L\x7f\xff\xff\xff\xff\xff\xff\xff",
                "a container of values without content at byte 3",
            ),
            (
                b"[$d#L\x7f\xff\xff\xff\xff\xff\xff\xff",
                "more values announced than the file can hold at byte 13",
            ),
            (b"{U\x01aTU\x01aT}", "a key that is there twice at byte 9"),
        ] {
            assert_eq!(decode(bytes).unwrap_err().to_string(), expected);
        }
        let deep = decode(&[b'['; 100_000]).unwrap_err();
        assert!(deep.to_string().contains("without end"), "{deep}");
    }

    #[test]
    fn json_and_ubj_are_told_apart() {
        assert!(is_ubj(&encoded(&json!({"learner": {}}))));
        for json in ["{\"learner\":{}}", "{ }", "{\n", "{}", "", "binf"] {
            assert!(!is_ubj(json.as_bytes()), "{json}");
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            // 32-bit floats come back as they were.
            (-1e30..1e30_f32).prop_map(|value| json!(f64::from(value))),
            "\\PC{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("\\PC{0,6}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_is_read(value in any_value()) {
            prop_assert_eq!(decode(&encoded(&value)), Ok(value));
        }

        #[test]
        fn a_part_is_never_the_whole(value in any_value(), share in 0.0..1.0_f64) {
            let bytes = encoded(&value);
            let cut = (bytes.len() as f64 * share) as usize;
            prop_assert!(decode(&bytes[..cut]).is_err());
        }

        #[test]
        fn no_bytes_make_it_panic(
            bytes in prop::collection::vec(
                prop_oneof![prop::sample::select(b"[]{}$#NZTFiUIlLdDSC\x00\x01\x02".to_vec()), any::<u8>()],
                0..200,
            ),
        ) {
            let _ = decode(&bytes);
        }
    }
}
