//! The header and the Rust types are one interface: every struct, member, size, offset, constant and symbol of both is compared,
//! and a plugin in C is called through the Rust types. Needs the C and C++ compilers that are called `cc` and `c++`.

mod call;
mod compiler;
mod layout;
mod text;
