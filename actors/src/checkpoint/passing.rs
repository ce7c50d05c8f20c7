//! Which failures say something about a checkpoint, and which only about the moment.

use rustix::io::Errno;
use std::io;

/// The medium says that it cannot give the data: another time will most likely be the same, and an
/// older checkpoint is better than none. Anything else (no descriptors, no memory, no permission, no
/// room, a server that is away) may pass, and says nothing about the checkpoint.
pub(super) fn may_pass(error: &io::Error) -> bool {
    const OF_THE_MEDIUM: [Errno; 5] =
        [Errno::IO, Errno::BADMSG, Errno::UCLEAN, Errno::NODATA, Errno::REMOTEIO];
    error.kind() != io::ErrorKind::NotFound
        && !Errno::from_io_error(error).is_some_and(|errno| OF_THE_MEDIUM.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_medium_is_told_from_a_bad_moment() {
        let of = |errno: Errno| may_pass(&errno.into());
        assert!(
            [Errno::MFILE, Errno::NOMEM, Errno::ACCESS, Errno::NOSPC, Errno::STALE]
                .map(of)
                .iter()
                .all(|passes| *passes)
        );
        assert!([Errno::IO, Errno::BADMSG, Errno::UCLEAN, Errno::NOENT].map(of).iter().all(|passes| !passes));
    }
}
