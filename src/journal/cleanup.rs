//! Removing what an interrupted run left behind, from its journals alone.
