//! What a command writes, kept for a test instead: of the thread that asked for it, on a page of
//! 80 columns in UTC.

use std::cell::RefCell;

#[derive(Default)]
struct Kept {
    out: Vec<u8>,
    err: Vec<u8>,
}

thread_local! {
    static KEPT: RefCell<Option<Kept>> = const { RefCell::new(None) };
}

/// From here on, what this thread writes is kept.
pub(crate) fn begin() {
    KEPT.set(Some(Kept::default()));
}

/// What has been written to standard output and standard error.
pub(crate) fn end() -> (String, String) {
    let kept = KEPT.take().unwrap_or_default();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (text(&kept.out), text(&kept.err))
}

pub(super) fn is_on() -> bool {
    KEPT.with_borrow(Option::is_some)
}

pub(super) fn out(bytes: &[u8]) -> bool {
    keep(bytes, |kept| &mut kept.out)
}

pub(super) fn err(bytes: &[u8]) -> bool {
    keep(bytes, |kept| &mut kept.err)
}

fn keep(bytes: &[u8], stream: impl Fn(&mut Kept) -> &mut Vec<u8>) -> bool {
    KEPT.with_borrow_mut(|kept| match kept {
        Some(kept) => {
            stream(kept).extend_from_slice(bytes);
            true
        }
        None => false,
    })
}
