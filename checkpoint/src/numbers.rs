//! Compares elements as the numbers they are.

use crate::section::Element;

/// How far two elements are apart.
enum Gap {
    /// They are the same number, or both are none.
    None,
    /// They differ by that much, which is infinite where one of them is.
    By(f64),
    /// One of them is a number and the other is not.
    Undefined,
}

/// What was found in the elements so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub compared: u64,
    pub differing: u64,
    pub first: Option<u64>,
    pub max: f64,
    pub sum: f64,
    /// Pairs of which one is a number and the other is not.
    pub undefined: u64,
}

impl Tally {
    fn add(&mut self, gap: &Gap) {
        match gap {
            Gap::None => {}
            Gap::By(distance) => {
                self.max = self.max.max(*distance);
                self.sum += distance;
            }
            Gap::Undefined => self.undefined += 1,
        }
        if !matches!(gap, Gap::None) {
            self.differing += 1;
            self.first.get_or_insert(self.compared);
        }
        self.compared += 1;
    }

    /// Takes two pieces of the same length, whole elements both.
    pub(crate) fn compare(&mut self, element: Element, a: &[u8], b: &[u8]) {
        if a == b {
            self.compared += (a.len() / element.bytes()) as u64;
            return;
        }
        match element {
            Element::Bytes | Element::U8 => {
                self.each(a, b, |a, b| whole(u8::from_le_bytes(a).into(), u8::from_le_bytes(b).into()));
            }
            Element::U16 => {
                self.each(a, b, |a, b| whole(u16::from_le_bytes(a).into(), u16::from_le_bytes(b).into()));
            }
            Element::U32 => {
                self.each(a, b, |a, b| whole(u32::from_le_bytes(a).into(), u32::from_le_bytes(b).into()));
            }
            Element::U64 => {
                self.each(a, b, |a, b| whole(u64::from_le_bytes(a).into(), u64::from_le_bytes(b).into()));
            }
            Element::I8 => {
                self.each(a, b, |a, b| whole(i8::from_le_bytes(a).into(), i8::from_le_bytes(b).into()));
            }
            Element::I16 => {
                self.each(a, b, |a, b| whole(i16::from_le_bytes(a).into(), i16::from_le_bytes(b).into()));
            }
            Element::I32 => {
                self.each(a, b, |a, b| whole(i32::from_le_bytes(a).into(), i32::from_le_bytes(b).into()));
            }
            Element::I64 => {
                self.each(a, b, |a, b| whole(i64::from_le_bytes(a).into(), i64::from_le_bytes(b).into()));
            }
            Element::F16 => self.each(a, b, |a, b| real(half(a), half(b))),
            Element::BF16 => self.each(a, b, |a, b| real(upper_half(a), upper_half(b))),
            Element::F32 => {
                self.each(a, b, |a, b| real(f32::from_le_bytes(a).into(), f32::from_le_bytes(b).into()));
            }
            Element::F64 => self.each(a, b, |a, b| real(f64::from_le_bytes(a), f64::from_le_bytes(b))),
        }
    }

    fn each<const N: usize>(&mut self, a: &[u8], b: &[u8], gap: impl Fn([u8; N], [u8; N]) -> Gap) {
        for (a, b) in a.as_chunks::<N>().0.iter().zip(b.as_chunks::<N>().0) {
            self.add(&gap(*a, *b));
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a distance to be shown")]
fn whole(a: i128, b: i128) -> Gap {
    if a == b { Gap::None } else { Gap::By(a.abs_diff(b) as f64) }
}

fn real(a: f64, b: f64) -> Gap {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => Gap::None,
        (false, false) if a == b => Gap::None,
        (false, false) => Gap::By((a - b).abs()),
        (true, false) | (false, true) => Gap::Undefined,
    }
}

/// IEEE 754 half precision: 1 bit of sign, 5 of exponent, 10 of fraction.
fn half(bytes: [u8; 2]) -> f64 {
    let bits = u16::from_le_bytes(bytes);
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * f64::powi(2.0, -24),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        exponent => (1.0 + fraction / 1024.0) * f64::powi(2.0, exponent - 15),
    };
    if bits & 0x8000 == 0 { magnitude } else { -magnitude }
}

/// The upper half of single precision.
fn upper_half([low, high]: [u8; 2]) -> f64 {
    f32::from_le_bytes([0, 0, low, high]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(element: Element, a: &[u8], b: &[u8]) -> Tally {
        let mut tally = Tally::default();
        tally.compare(element, a, b);
        tally
    }

    #[test]
    fn half_precision_is_read_after_its_definition() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, f64::powi(2.0, -24)),
            (0x0400, f64::powi(2.0, -14)),
            (0x3555, 0.333_251_953_125),
            (0xfc00, f64::NEG_INFINITY),
        ] {
            assert_eq!(half(u16::to_le_bytes(bits)), value, "{bits:04x}");
        }
        assert!(half(0x7e00_u16.to_le_bytes()).is_nan());
        assert_eq!(upper_half(0xc0a0_u16.to_le_bytes()), -5.0);
    }

    #[test]
    fn every_element_type_is_compared_as_its_numbers() {
        let cases: [(Element, &[u8], &[u8], f64); 13] = [
            (Element::Bytes, &[1, 255], &[1, 0], 255.0),
            (Element::U8, &[1, 255], &[1, 0], 255.0),
            (Element::I8, &[1, 255], &[1, 0], 1.0),
            (Element::U16, &[1, 0, 0, 1], &[1, 0, 0, 0], 256.0),
            (Element::I16, &[1, 0, 0, 0x80], &[1, 0, 0, 0], 32768.0),
            (Element::U32, &[[1; 4], [0xff; 4]].concat(), &[[1; 4], [0; 4]].concat(), 4_294_967_295.0),
            (Element::I32, &[[1; 4], [0xff; 4]].concat(), &[[1; 4], [0; 4]].concat(), 1.0),
            (Element::U64, &[[1; 8], [0xff; 8]].concat(), &[[1; 8], [0; 8]].concat(), f64::powi(2.0, 64)),
            (Element::I64, &[[1; 8], [0xff; 8]].concat(), &[[1; 8], [0; 8]].concat(), 1.0),
            (Element::F16, &[0, 0, 0, 0x3c], &[0, 0x80, 0, 0xc0], 3.0),
            (Element::BF16, &[0, 0, 0x80, 0x3f], &[0, 0x80, 0, 0xc0], 3.0),
            (
                Element::F32,
                &[[0; 4], 1.0_f32.to_le_bytes()].concat(),
                &[[0; 4], (-2.0_f32).to_le_bytes()].concat(),
                3.0,
            ),
            (
                Element::F64,
                &[[0; 8], 1.0_f64.to_le_bytes()].concat(),
                &[[0; 8], (-2.0_f64).to_le_bytes()].concat(),
                3.0,
            ),
        ];
        for (element, a, b, distance) in cases {
            let found = tally(element, a, b);
            assert_eq!((found.compared, found.differing, found.first), (2, 1, Some(1)), "{element:?}");
            assert_eq!((found.max, found.sum), (distance, distance), "{element:?}");
        }
    }

    #[test]
    fn what_is_no_number_differs_from_numbers_and_not_from_itself() {
        let floats = |numbers: [f32; 4]| numbers.map(f32::to_le_bytes).concat();
        let other_nan = f32::from_bits(0x7fc0_0001);
        let a = floats([f32::NAN, f32::NAN, 1.0, f32::INFINITY]);
        let b = floats([other_nan, 1.0, 1.5, f32::INFINITY]);
        let found = tally(Element::F32, &a, &b);
        assert_eq!((found.differing, found.undefined, found.first), (2, 1, Some(1)));
        assert_eq!((found.max, found.sum), (0.5, 0.5));
    }
}
