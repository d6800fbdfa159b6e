//! UBJ as XGBoost 1.6.2 reads it: lengths of 64 bits, lists of numbers with their type and count in front, nothing else.

/// UBJ under construction.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// An object; `fields` writes each as a [`key`](Self::key) and a value.
    pub fn object(&mut self, fields: impl FnOnce(&mut Self)) {
        self.bytes.push(b'{');
        fields(self);
        self.bytes.push(b'}');
    }

    /// The name of the value that comes next.
    pub fn key(&mut self, name: &str) -> &mut Self {
        self.length(name.len());
        self.bytes.extend_from_slice(name.as_bytes());
        self
    }

    /// A string.
    pub fn text(&mut self, text: &str) {
        self.bytes.push(b'S');
        self.key(text);
    }

    /// An integer.
    pub fn integer(&mut self, value: i32) {
        self.bytes.push(b'l');
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// A list; `write` writes each of `items`.
    pub fn list<T>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
        write: impl Fn(&mut Self, T),
    ) {
        self.bytes.extend_from_slice(b"[#");
        self.length(items.len());
        for item in items {
            write(self, item);
        }
    }

    /// A list of 32-bit floats.
    pub fn floats(&mut self, values: &[f32]) {
        self.typed(b'd', values, f32::to_be_bytes);
    }

    /// A list of 32-bit integers.
    pub fn integers(&mut self, values: &[i32]) {
        self.typed(b'l', values, i32::to_be_bytes);
    }

    /// A list of bytes.
    pub fn bytes(&mut self, values: &[u8]) {
        self.typed(b'U', values, u8::to_be_bytes);
    }

    fn typed<T: Copy, const N: usize>(
        &mut self,
        kind: u8,
        values: &[T],
        number: impl Fn(T) -> [u8; N],
    ) {
        self.bytes.extend_from_slice(&[b'[', b'$', kind, b'#']);
        self.length(values.len());
        for value in values {
            self.bytes.extend_from_slice(&number(*value));
        }
    }

    fn length(&mut self, length: usize) {
        self.bytes.push(b'L');
        self.bytes.extend_from_slice(&(length as u64).to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_reads_back() {
        let mut writer = Writer::default();
        writer.object(|object| {
            object.key("name").text("gbtree ü");
            object.key("empty").object(|_| {});
            object.key("id").integer(-7);
            object.key("list").list([1, 2].into_iter(), |list, value| {
                list.object(|object| object.key("n").integer(value));
            });
            object.key("floats").floats(&[0.25, -1.0e-30]);
            object.key("integers").integers(&[i32::MAX, -1]);
            object.key("bytes").bytes(&[0, 255]);
            object.key("none").integers(&[]);
        });
        let expected = json!({
            "name": "gbtree ü", "empty": {}, "id": -7, "list": [{"n": 1}, {"n": 2}],
            "floats": [0.25, f64::from(-1.0e-30_f32)], "integers": [i32::MAX, -1], "bytes": [0, 255], "none": []
        });
        assert_eq!(super::super::decode(&writer.into_bytes()), Ok(expected));
    }
}
