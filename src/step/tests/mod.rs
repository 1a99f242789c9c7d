//! Steps run for real, by the shells of this machine, and by a scripted guest where only a lie will do.

mod actions;
mod failing_line;
mod machine;
mod outputs;
mod recognized;
mod scripts;
mod sequence;
mod uses;
