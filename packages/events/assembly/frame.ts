// The wire frame, big-endian:
// u32 length of what follows · u8 control · u16 topic length · [16-byte event id] · topic · payload · [u32 CRC-32]

export const FRAME_LENGTH_BYTES: u32 = 4;
/** Control and topic length: what every frame has behind its length. */
export const FRAME_HEAD_BYTES: u32 = 3;
export const CONTROL_PRIORITY: u32 = 0x07;
export const CONTROL_RESERVED: u32 = 0x88;
/** Metadata behind the topic, as records have it: only within the process. The wire's bit 3 is 0. */
export const CONTROL_METADATA: u32 = 0x08;
export const CONTROL_ID: u32 = 0x10;
export const CONTROL_ACK: u32 = 0x20;
export const CONTROL_CRC: u32 = 0x40;
export const PRIORITY_MAX: u32 = 4;

// Why a frame is refused; `RefusalCode` in src/frame.ts is the same table.
export const REFUSED_SHORT: u32 = 1;
export const REFUSED_CONTROL: u32 = 2;
export const REFUSED_PRIORITY: u32 = 3;
export const REFUSED_TOPIC_EMPTY: u32 = 4;
export const REFUSED_TOPIC_LENGTH: u32 = 5;
export const REFUSED_TOPIC_UTF8: u32 = 6;
export const REFUSED_CRC: u32 = 7;
export const REFUSED_TOO_LARGE: u32 = 8;
export const REFUSED_TRUNCATED: u32 = 9;
export const REFUSED_LANE_FULL: u32 = 10;

/** A 4-byte big-endian number. */
// @ts-ignore: decorator
@inline
export function loadU32BE(p: usize): u32 {
  return bswap<u32>(load<u32>(p));
}

/** A 2-byte big-endian number. */
// @ts-ignore: decorator
@inline
export function loadU16BE(p: usize): u32 {
  return <u32>bswap<u16>(load<u16>(p));
}
