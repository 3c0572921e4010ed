// Sends a list as the body of one request, and shows how much of it has left. Without this script, the form sends it.
(() => {
  "use strict";
  const form = document.getElementById("upload");
  if (!form) return;
  const input = form.querySelector("input[type=file]");
  const button = form.querySelector("button");
  const bar = document.getElementById("upload-progress");
  const problem = document.getElementById("upload-problem");

  function refuse(text) {
    bar.hidden = true;
    button.disabled = false;
    problem.textContent = text;
    problem.hidden = false;
    problem.focus();
  }

  form.addEventListener("submit", (event) => {
    const file = input.files[0];
    if (!file) return; // the server says that a file is missing
    event.preventDefault();
    problem.hidden = true;
    if (file.size > Number(form.dataset.maxBytes)) {
      refuse(form.dataset.tooLarge);
      return;
    }
    const request = new XMLHttpRequest();
    request.open("PUT", form.action);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.setRequestHeader("X-CSRFToken", form.elements.csrf_token.value);
    request.setRequestHeader("X-File-Name", encodeURIComponent(file.name));
    request.upload.addEventListener("progress", (sent) => {
      if (sent.lengthComputable) bar.querySelector("progress").value = sent.loaded / sent.total;
    });
    request.addEventListener("load", () => {
      if (request.status === 201) location.assign(request.getResponseHeader("Location"));
      else if ((request.getResponseHeader("Content-Type") || "").startsWith("text/plain")) refuse(request.responseText);
      else refuse(form.dataset.failed);
    });
    request.addEventListener("error", () => refuse(form.dataset.failed));
    button.disabled = true;
    bar.hidden = false;
    request.send(file);
  });
})();
