/* SPDX-License-Identifier: MIT */
/* An event, an event with an attachment and a session by @sentry/node: node sentry_node.js PACKAGE_FOLDER DSN. */
const [folder, dsn] = process.argv.slice(2);
const Sentry = require(folder);

Sentry.init({ dsn, release: "nodeapp@2.0", environment: "test", sendClientReports: false });
const first = Sentry.captureException(new Error("from node"));
const second = Sentry.withScope((scope) => {
  scope.addAttachment({ filename: "notes.txt", data: "line 1\nline 2\n" });
  return Sentry.captureMessage("with attachment");
});
Sentry.flush(10000).then((all) => {
  console.log(JSON.stringify([first, second]));
  process.exit(all ? 0 : 1);
});
