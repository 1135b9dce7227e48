//! The local services of gridshell: what keeps its data itself, in an SQL database or in files.
//!
//! [`database`] opens SQLite, MariaDB/MySQL and PostgreSQL and keeps OpenSimulator's tables in shape; every service that stands
//! on SQL gets a ready [`database::Database`]. The other modules are services, one each.

pub mod asset;
pub mod baked_texture;
pub mod database;
pub mod inventory;
pub mod library;
mod list_file;
pub mod name2key;
mod text;
