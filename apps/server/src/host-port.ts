/** Host and port as people and URLs write them: an IPv6 address has colons of its own, so it goes into brackets. */
export function hostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
