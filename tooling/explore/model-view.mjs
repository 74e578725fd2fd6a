/**
 * The model's memory as checks see it: little-endian unless told otherwise, as WebAssembly's memory is. It tells who asks
 * what was read, so that the words that a check looks at count as shared.
 */
export class ModelView extends DataView {
  #observe;

  /** `observe` gets the address in memory and the bytes of each read. */
  constructor(buffer, offset, length, observe) {
    super(buffer, offset, length);
    this.#observe = observe;
  }
  getInt8(at) {
    this.#observe?.(this.byteOffset + at, 1);
    return super.getInt8(at);
  }
  getUint8(at) {
    this.#observe?.(this.byteOffset + at, 1);
    return super.getUint8(at);
  }
  getInt16(at, little = true) {
    this.#observe?.(this.byteOffset + at, 2);
    return super.getInt16(at, little);
  }
  getUint16(at, little = true) {
    this.#observe?.(this.byteOffset + at, 2);
    return super.getUint16(at, little);
  }
  getInt32(at, little = true) {
    this.#observe?.(this.byteOffset + at, 4);
    return super.getInt32(at, little);
  }
  getUint32(at, little = true) {
    this.#observe?.(this.byteOffset + at, 4);
    return super.getUint32(at, little);
  }
  getBigInt64(at, little = true) {
    this.#observe?.(this.byteOffset + at, 8);
    return super.getBigInt64(at, little);
  }
  getBigUint64(at, little = true) {
    this.#observe?.(this.byteOffset + at, 8);
    return super.getBigUint64(at, little);
  }
  getFloat32(at, little = true) {
    this.#observe?.(this.byteOffset + at, 4);
    return super.getFloat32(at, little);
  }
  getFloat64(at, little = true) {
    this.#observe?.(this.byteOffset + at, 8);
    return super.getFloat64(at, little);
  }
  getNumber64(at) {
    return this.getUint32(at) + this.getUint32(at + 4) * 0x1_0000_0000;
  }
}
