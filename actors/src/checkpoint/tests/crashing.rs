//! What is done to a run's checkpoints, with every operation of the disk failing, and with the power
//! going after every one, in every state that the disk may then be found in: what is chosen then is whole
//! (I4), there is something to choose (I6), and what was damaged is still somewhere (I20).

mod bugs;
mod explore;
mod oracle;
mod scenes;
