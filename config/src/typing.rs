//! From the text of one value to a typed value (shell.md section 3.4).
//!
//! | type | accepted |
//! |---|---|
//! | bool | `true`, `false`, `yes`, `no` in any case, `1`, `0` |
//! | integers | optional sign and decimal digits, within blanks |
//! | floats | a decimal point, exponent allowed, within blanks |
//! | text | as it is, also empty |
//! | enums | the serde name of a variant without content |
//! | lists | items between commas, without the blanks around them; empty items are dropped |
//!
//! An empty bool or number is a mistake, not a default.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use crate::problem::quoted;
use crate::suggestion::did_you_mean;

/// Reads a value.
///
/// # Errors
/// What is wrong and what is meant, such as `"yess" is neither true nor false`.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    T::deserialize(Text(text)).map_err(|error| match error {
        Mistake::Whole(message) => message,
        Mistake::OfType(message) => format!("{}: {message}", quoted(text)),
    })
}

/// Why a value cannot be read.
#[derive(Debug)]
enum Mistake {
    /// The whole message.
    Whole(String),
    /// What a type of its own said, without the value.
    OfType(String),
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(message) | Self::OfType(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Mistake {}

impl de::Error for Mistake {
    fn custom<M: fmt::Display>(message: M) -> Self {
        Self::OfType(message.to_string())
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let suggestion = did_you_mean(variant, expected.iter().copied());
        Self::Whole(format!("{} is none of {}{suggestion}", quoted(variant), expected.join(", ")))
    }
}

/// The text of one value.
#[derive(Clone, Copy)]
struct Text<'a>(&'a str);

impl Text<'_> {
    fn boolean(self) -> Result<bool, Mistake> {
        let is = |word: &str| self.0.eq_ignore_ascii_case(word);
        if is("true") || is("yes") || is("1") {
            Ok(true)
        } else if is("false") || is("no") || is("0") {
            Ok(false)
        } else {
            Err(Mistake::Whole(format!("{} is neither true nor false", quoted(self.0))))
        }
    }

    fn integer<T: TryFrom<i128>>(self, least: impl fmt::Display, most: impl fmt::Display) -> Result<T, Mistake> {
        let wrong = || Mistake::Whole(format!("{} is not a whole number from {least} to {most}", quoted(self.0)));
        let number: i128 = self.0.trim().parse().map_err(|_| wrong())?;
        T::try_from(number).map_err(|_| wrong())
    }

    fn float(self) -> Result<f64, Mistake> {
        let text = self.0.trim();
        let wrong = || Mistake::Whole(format!("{} is not a number such as 1.5 or 2e-3", quoted(self.0)));
        // Rust also reads words such as "inf".
        let digits_only = text.chars().all(|character| character.is_ascii_digit() || "+-.eE".contains(character));
        if !digits_only {
            return Err(wrong());
        }
        text.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(wrong)
    }
}

impl<'de> Deserializer<'de> for Text<'_> {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_str(self.0)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_bool(self.boolean()?)
    }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_i8(self.integer(i8::MIN, i8::MAX)?)
    }

    fn deserialize_i16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_i16(self.integer(i16::MIN, i16::MAX)?)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_i32(self.integer(i32::MIN, i32::MAX)?)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_i64(self.integer(i64::MIN, i64::MAX)?)
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_u8(self.integer(u8::MIN, u8::MAX)?)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_u16(self.integer(u16::MIN, u16::MAX)?)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_u32(self.integer(u32::MIN, u32::MAX)?)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_u64(self.integer(u64::MIN, u64::MAX)?)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_f64(self.float()?)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_f64(self.float()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        // A key that is absent never comes here.
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_seq(Items(self.0.split(',')))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        let name: StrDeserializer<'_, Mistake> = self.0.into_deserializer();
        visitor.visit_enum(name)
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct identifier ignored_any
    }
}

/// The items of a list.
struct Items<'a>(std::str::Split<'a, char>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Mistake;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mistake> {
        match self.0.by_ref().map(str::trim).find(|item| !item.is_empty()) {
            Some(item) => seed.deserialize(Text(item)).map(Some),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;
    use crate::Secret;

    #[derive(Debug, Deserialize, PartialEq)]
    enum AuthType {
        None,
        BasicHttpAuthentication,
    }

    fn error<T: DeserializeOwned + fmt::Debug>(text: &str) -> String {
        parse::<T>(text).unwrap_err()
    }

    #[test]
    fn booleans() {
        for text in ["true", "True", "TRUE", "yes", "Yes", "1"] {
            assert_eq!(parse(text), Ok(true), "{text}");
        }
        for text in ["false", "FALSE", "no", "0"] {
            assert_eq!(parse(text), Ok(false), "{text}");
        }
        for text in ["", "yess", "on", " true", "2", "t"] {
            assert_eq!(error::<bool>(text), format!("{text:?} is neither true nor false"));
        }
    }

    #[test]
    fn integers() {
        assert_eq!(parse(" +42\t"), Ok(42_i32));
        assert_eq!(parse("-1"), Ok(-1_i32));
        assert_eq!(parse("2147483647"), Ok(i32::MAX));
        assert_eq!(parse("9223372036854775807"), Ok(i64::MAX));
        assert_eq!(parse("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(parse("65535"), Ok(65535_u16));
        assert_eq!(parse("007"), Ok(7_u8));
        assert_eq!(error::<i32>("2147483648"), "\"2147483648\" is not a whole number from -2147483648 to 2147483647");
        assert_eq!(error::<u16>("70000"), "\"70000\" is not a whole number from 0 to 65535");
        for text in ["", " ", "0x10", "1.0", "1,000", "1 2", "--1", "ten", "1e3"] {
            assert!(parse::<i32>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn floats() {
        assert_eq!(parse("1.5"), Ok(1.5_f64));
        assert_eq!(parse(" -2e-3 "), Ok(-0.002_f64));
        assert_eq!(parse(".25"), Ok(0.25_f32));
        for text in ["", "1,5", "inf", "NaN", "1e999", "x"] {
            assert!(parse::<f64>(text).is_err(), "{text}");
        }
        assert_eq!(error::<f64>("1,5"), "\"1,5\" is not a number such as 1.5 or 2e-3");
    }

    #[test]
    fn texts_options_and_secrets() {
        assert_eq!(parse(" a, 'b' "), Ok(" a, 'b' ".to_owned()));
        assert_eq!(parse(""), Ok(String::new()));
        assert_eq!(parse("5"), Ok(Some(5_u8)));
        assert!(parse::<Option<u8>>("").is_err());
        assert_eq!(parse::<Secret>("x").unwrap().expose(), "x");
    }

    #[test]
    fn enums_by_name() {
        assert_eq!(parse("None"), Ok(AuthType::None));
        assert_eq!(parse("BasicHttpAuthentication"), Ok(AuthType::BasicHttpAuthentication));
        assert_eq!(error::<AuthType>("none"), "\"none\" is none of None, BasicHttpAuthentication; did you mean None?");
    }

    #[test]
    fn lists() {
        assert_eq!(parse(" a, b ,,c d,"), Ok(vec!["a".to_owned(), "b".to_owned(), "c d".to_owned()]));
        assert_eq!(parse("1,2"), Ok(vec![1_u8, 2]));
        assert_eq!(parse::<Vec<String>>(""), Ok(vec![]));
        assert_eq!(error::<Vec<u8>>("1,x"), "\"x\" is not a whole number from 0 to 255");
    }

    #[test]
    fn types_that_no_value_can_be_are_a_mistake_not_a_panic() {
        assert!(error::<std::collections::HashMap<String, String>>("x").starts_with("\"x\": invalid type"));
        assert!(error::<(u8, u8)>("1,2").starts_with("\"1,2\": invalid type"));
    }

    proptest! {
        #[test]
        fn numbers_read_back(number: i64, float in proptest::num::f64::NORMAL) {
            prop_assert_eq!(parse::<i64>(&number.to_string()), Ok(number));
            prop_assert_eq!(parse::<f64>(&float.to_string()), Ok(float));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = (parse::<bool>(&text), parse::<i32>(&text), parse::<f64>(&text), parse::<Vec<u64>>(&text), parse::<AuthType>(&text));
        }
    }
}
