// Opens a page that `a2r view` serves.

start(servedSource(JSON.parse(document.getElementById("data").textContent)));
