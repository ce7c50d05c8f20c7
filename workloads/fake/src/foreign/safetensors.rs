//! Safetensors files: 8 bytes with the header's length, little-endian; the header, a JSON object that maps
//! each tensor's name to its type, shape and place in the data; the data.
//! <https://github.com/huggingface/safetensors>

use std::fmt::Write;

/// The data begins at a multiple of this.
const ALIGNMENT: usize = 8;

/// A tensor of one dimension.
pub(super) struct Tensor {
    /// Unique in its file; without characters that JSON would escape.
    pub(super) name: &'static str,
    /// The format's word for its type.
    pub(super) dtype: &'static str,
    /// Bytes of one element.
    pub(super) element_bytes: usize,
    /// Little-endian.
    pub(super) data: Vec<u8>,
}

/// The file of `tensors`, and where in it the data begins.
pub(super) fn file(tensors: &[Tensor]) -> (Vec<u8>, usize) {
    let mut header = String::from("{\"__metadata__\":{\"format\":\"pt\"}");
    let mut end = 0;
    for tensor in tensors {
        let start = end;
        end += tensor.data.len();
        let elements = tensor.data.len() / tensor.element_bytes;
        // Writing to a text does not fail.
        let _ = write!(
            header,
            ",\"{}\":{{\"dtype\":\"{}\",\"shape\":[{elements}],\"data_offsets\":[{start},{end}]}}",
            tensor.name, tensor.dtype
        );
    }
    header.push('}');
    while !header.len().is_multiple_of(ALIGNMENT) {
        header.push(' ');
    }
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    let data_at = bytes.len();
    tensors.iter().for_each(|tensor| bytes.extend(&tensor.data));
    (bytes, data_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn the_header_says_where_each_tensor_lies() {
        let tensor = |name, data: &[u8]| Tensor { name, dtype: "U16", element_bytes: 2, data: data.to_vec() };
        let (bytes, data_at) = file(&[tensor("a", b"abcd"), tensor("b", b"efghij")]);
        assert_eq!(&bytes[data_at..], b"abcdefghij");
        assert_eq!(data_at % ALIGNMENT, 0);
        let length = u64::from_le_bytes(*bytes.first_chunk().unwrap());
        assert_eq!(length as usize + 8, data_at);
        let header: Value = serde_json::from_slice(&bytes[8..data_at]).unwrap();
        assert_eq!(
            header,
            json!({
                "__metadata__": {"format": "pt"},
                "a": {"dtype": "U16", "shape": [2], "data_offsets": [0, 4]},
                "b": {"dtype": "U16", "shape": [3], "data_offsets": [4, 10]},
            })
        );
    }
}
