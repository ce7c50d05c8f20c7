//! Files as other frameworks leave them, written by hand.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail it the way the test does")]

use std::fs;
use std::path::{Path, PathBuf};

/// As `torch.save` lays it out: stored members, the directory, the record at the end.
pub fn zip(content: &[u8]) -> Vec<u8> {
    let mut bytes = b"PK\x03\x04".to_vec();
    bytes.extend([0; 26]);
    bytes.extend(content);
    let directory_at = bytes.len() as u32;
    bytes.extend(b"PK\x01\x02");
    bytes.extend([0; 42]);
    let directory_bytes = bytes.len() as u32 - directory_at;
    bytes.extend(b"PK\x05\x06");
    bytes.extend([0; 8]);
    bytes.extend(directory_bytes.to_le_bytes());
    bytes.extend(directory_at.to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}

pub fn safetensors(content: &[u8]) -> Vec<u8> {
    let (half, end) = (content.len() / 2, content.len());
    let header = format!(
        r#"{{"__metadata__":{{"step":"5"}},"a":{{"dtype":"U8","shape":[{half}],"data_offsets":[0,{half}]}},"b":{{"dtype":"U8","shape":[{}],"data_offsets":[{half},{end}]}}}}"#,
        end - half
    );
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(content);
    bytes
}

/// A folder as `save_pretrained` leaves it, with two shards.
pub fn hugging_face(folder: &Path) -> PathBuf {
    let root = folder.join("step-5");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("config.json"), "{}").unwrap();
    fs::write(root.join("model-1-of-2.safetensors"), safetensors(b"one and")).unwrap();
    fs::write(root.join("model-2-of-2.safetensors"), safetensors(b"two")).unwrap();
    let index = r#"{"metadata":{"total_size":10},"weight_map":{"a":"model-1-of-2.safetensors","b":"model-1-of-2.safetensors","c":"model-2-of-2.safetensors"}}"#;
    fs::write(root.join("model.safetensors.index.json"), index).unwrap();
    root
}
