//! Work on pieces of a file, by as many threads as the ambient rayon pool has.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::digest::SLAB_BYTES;
use crate::refusal::Refusal;

/// Does every piece of work and returns the results in order. `bytes` is how much there is in all: with
/// little, the caller does it alone, and no pool is built for it. Each thread has a buffer of its own,
/// which it keeps from piece to piece.
///
/// # Errors
/// That of the first piece, in order, among those that failed; work not yet begun is then left.
pub(crate) fn in_parallel<W: Send, R: Send>(
    work: Vec<W>,
    bytes: u64,
    each: impl Fn(W, &mut Vec<u8>) -> Result<R, Refusal> + Sync,
) -> Result<Vec<R>, Refusal> {
    if bytes <= SLAB_BYTES || work.len() < 2 {
        let mut buffer = Vec::new();
        return work.into_iter().map(|piece| each(piece, &mut buffer)).collect();
    }
    let threads = rayon::current_num_threads().min(work.len());
    let results = Mutex::new(Vec::with_capacity(work.len()));
    let queue = Mutex::new(work.into_iter().enumerate());
    let failed = AtomicBool::new(false);
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let worker = || {
        let mut buffer = Vec::new();
        while !failed.load(Ordering::Relaxed)
            && let Some((index, piece)) = next()
        {
            let result = each(piece, &mut buffer);
            if result.is_err() {
                failed.store(true, Ordering::Relaxed);
            }
            results.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
        }
    };
    rayon::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|_| worker());
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_work() {
        let squares = in_parallel((0..100_u64).collect(), u64::MAX, |n, _| Ok(n * n)).unwrap();
        assert_eq!(squares, (0..100).map(|n| n * n).collect::<Vec<_>>());
    }

    #[test]
    fn little_work_is_done_by_the_caller() {
        let caller = std::thread::current().id();
        let threads = in_parallel(vec![(); 50], 1000, |(), _| Ok(std::thread::current().id())).unwrap();
        assert!(threads.into_iter().all(|thread| thread == caller));
    }

    #[test]
    fn one_thread_is_enough() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let sum: u64 = pool
            .install(|| in_parallel((0..10_u64).collect(), u64::MAX, |n, _| Ok(n)))
            .unwrap()
            .into_iter()
            .sum();
        assert_eq!(sum, 45);
    }

    #[test]
    fn a_failure_is_the_result() {
        let refuse =
            |n: u64, _: &mut Vec<u8>| if n == 7 { Err(Refusal::TooLarge { limit: n }) } else { Ok(n) };
        let result = in_parallel((0..100).collect(), u64::MAX, refuse);
        assert!(matches!(result, Err(Refusal::TooLarge { limit: 7 })));
    }
}
