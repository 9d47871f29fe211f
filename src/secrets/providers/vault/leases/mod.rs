//! Dynamic secrets: what Vault makes for us, lends for a time and takes back.
//!
//! `term` knows when a lease is to be renewed or replaced, `shelf` which leases are held and who
//! was promised what; both are told the time and ask nobody. `keeper` reads, `tending` renews and
//! revokes. A lease's values rest in one locked buffer; neither a value nor an id is ever logged.

mod keeper;
mod requests;
mod shelf;
mod tending;
mod term;

pub(super) use keeper::{Leases, Read};
pub(super) use shelf::{Key, Leased};
pub(super) use term::Grant;
