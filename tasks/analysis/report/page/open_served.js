// Opens a page that `a2r view` serves.

(async () => {
  const { runs } = JSON.parse(document.getElementById("data").textContent);
  const listed = await ask("listed", { run: Object.keys(runs) });
  document.getElementById("num-problems").textContent = number(listed.num_problems);
  await start(servedSource({ runs, ...listed }));
})();
