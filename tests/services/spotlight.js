/* SPDX-License-Identifier: MIT */
/* Sentry's own sidecar as a library on 127.0.0.1:PORT: node spotlight.js PACKAGE_FOLDER PORT. As a program it would report
 * to its makers, and it has no option for the address to listen on. */
const net = require("node:net");
const path = require("node:path");
const { pathToFileURL } = require("node:url");

const [folder, port] = process.argv.slice(2);
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (options, ...rest) {
  const loopback = typeof options === "object" ? { ...options, host: "127.0.0.1" } : { port: options, host: "127.0.0.1" };
  const done = rest.find((argument) => typeof argument === "function");
  return listen.call(this, loopback, done);
};

(async () => {
  const { setupSpotlight } = await import(pathToFileURL(path.join(folder, "dist", "server", "main.js")).href);
  await setupSpotlight({ port: Number(port), isStandalone: false });
})();
