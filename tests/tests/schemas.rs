//! What is published can be checked by anybody's validator: the schemas in `docs/schemas/` and
//! `docs/asyncapi.json` are what they claim to be.

use resus_tests::clients::{node_modules, python};
use std::path::Path;

#[test]
fn the_schemas_and_the_asyncapi_document_pass_official_validators() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut check = python();
    check.arg(root.join("tests/clients/check_schemas.py")).arg(root).arg(node_modules());
    let output = check.output().unwrap();
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{errors}");
    assert!(said.contains("samples fit") && said.contains("the AsyncAPI document fits"), "{said}");
}
