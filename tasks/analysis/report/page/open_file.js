// Opens a page that is one file.

(async () => {
  await start(embeddedSource(JSON.parse(await unpack("data"))));
  const { chunk_of, num_traces, num_cut } = await directory;
  const embedded = chunk_of.filter((chunk) => chunk !== null).length;
  document.getElementById("embedded").textContent =
    `It has the texts of ${number(embedded)} of ${number(chunk_of.length)} problems: ${number(num_traces)} traces, ` +
    `${number(num_cut)} texts without their middle.`;
})();
