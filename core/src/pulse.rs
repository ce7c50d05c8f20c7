//! PULSE: how a training run tells the world how it is. `docs/PULSE.md` is the contract;
//! these are its types.

pub mod line;
pub mod payload;
pub mod state;
pub mod told;
pub mod v1;
pub mod v2;
pub mod word;
